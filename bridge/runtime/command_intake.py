"""Commands that other processes left for the calls of this one."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from typing import Any, Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bridge.call.ending import EndReason
from database import call_commands
from database.models import CallCommand
from database.notifications import CALL_COMMANDS, News, Notifications
from database.session import Database

POLL_SECONDS = 1.0

ANSWERED = "answered"
"""`{"at"}`: the TwiML that answers the call was returned by another process."""
HANG_UP = "hangup"
OVER = "over"
"""Twilio says that the call has ended. Acknowledged when all it had to tell is written."""

log = structlog.get_logger(__name__)


class Holder(Protocol):
    """Has live calls."""

    def ids(self) -> list[str]: ...
    def hang_up(self, call_id: str, reason: EndReason) -> bool: ...
    def answered(self, call_id: str, at: dt.datetime) -> bool: ...
    async def over(self, call_id: str, timeout_s: float = 3.0) -> bool: ...


class CommandIntake:
    def __init__(self, database: Database, notifications: Notifications, holder: Holder) -> None:
        self._database = database
        self._notifications = notifications
        self._holder = holder
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="command_intake")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        with self._notifications.listen(CALL_COMMANDS) as news:
            while True:
                await self._take_all(news)
                await news.wait(POLL_SECONDS)

    async def _take_all(self, news: News) -> None:
        try:
            waiting = await call_commands.waiting_for(self._database, self._holder.ids())
            await asyncio.gather(*(self._take(command) for command in waiting))
        except (OSError, TimeoutError, SQLAlchemyError) as error:
            log.warning("commands_not_read", error=type(error).__name__)
            await asyncio.sleep(POLL_SECONDS)
            news.announce()

    async def _take(self, command: CallCommand) -> None:
        if command.command == OVER:
            await self._holder.over(command.call_id, 2.0)
            await call_commands.acknowledge(self._database, command.id)
        elif await call_commands.acknowledge(self._database, command.id):
            self._carry_out(command.call_id, command.command, command.data)

    def _carry_out(self, call_id: str, command: str, data: dict[str, Any]) -> None:
        match command:
            case "hangup":
                self._holder.hang_up(call_id, EndReason.OPERATOR_HUNG_UP)
            case "answered":
                self._holder.answered(call_id, dt.datetime.fromisoformat(str(data["at"])))
            case _:
                log.warning("command_unknown", call_id=call_id, command=command)
