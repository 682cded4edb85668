"""Commands that other processes left for the calls of this one."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import Coroutine, Set
from typing import Any, Protocol

import msgspec
import structlog
from sqlalchemy.exc import SQLAlchemyError

from bridge.call.ending import EndReason
from bridge.call.events import BrokenOff, Event, MachineDetected, SayRequested, TransferRequested
from bridge.runtime.moves import Moves
from bridge.runtime.placing import Placing
from database import call_commands, calls
from database.models import CallCommand
from database.notifications import CALL_COMMANDS, News, Notifications
from database.session import Database

POLL_SECONDS = 1.0
OVER_SECONDS = 2.0
"""For a call to write what it has to tell: whoever asks waits a little longer."""

log = structlog.get_logger(__name__)


class Holder(Protocol):
    """Has live calls."""

    holder: calls.Holder

    @property
    def full(self) -> bool: ...
    def offered(self, call_id: str) -> bool: ...
    def holds(self, call_id: str) -> bool: ...
    def abandon(self, call_id: str) -> None: ...
    def held_lately(self) -> Set[str]: ...
    def hang_up(self, call_id: str, reason: EndReason) -> bool: ...
    def take(self, call_id: str, event: Event) -> bool: ...
    def answered(self, call_id: str, at: dt.datetime) -> bool: ...
    def let_go(self, call_id: str, attach_number: int) -> bool: ...
    async def over(self, call_id: str, timeout_s: float = 3.0) -> bool: ...


class CommandIntake:
    def __init__(
        self,
        database: Database,
        notifications: Notifications,
        holder: Holder,
        moves: Moves,
        placing: Placing,
    ) -> None:
        self._database = database
        self._notifications = notifications
        self._holder = holder
        self._moves = moves
        self._placing = placing
        self._taking: set[asyncio.Task[None]] = set()
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
        for task in list(self._taking):
            task.cancel()
        if self._taking:
            await asyncio.wait(self._taking)

    async def _run(self) -> None:
        with self._notifications.listen(CALL_COMMANDS) as news:
            while True:
                await self._take_all(news)
                await self._until_it_concerns_us(news)

    async def _until_it_concerns_us(self, news: News) -> None:
        """Most commands are for calls of others."""
        loop = asyncio.get_running_loop()
        look_again_at = loop.time() + POLL_SECONDS
        while await news.wait(look_again_at - loop.time()):
            if news.concerns(self._holder.held_lately() | call_commands.FOR_ANYBODY):
                return

    async def _take_all(self, news: News) -> None:
        ours = self._holder.held_lately()
        if not ours and self._holder.full:
            return
        taken: list[Coroutine[Any, Any, None]] = []
        try:
            for command in await call_commands.waiting(self._database):
                if command.call_id in ours:
                    taken.append(self._take(command))
                elif command.command == call_commands.TAKE_OVER and not self._holder.full:
                    taken.append(self._take_over(command))
                elif command.command == call_commands.PREPARE and not self._holder.full:
                    taken.append(self._prepare(command))
            await asyncio.gather(*taken)
        except (OSError, TimeoutError, SQLAlchemyError) as error:
            log.warning("commands_not_read", error=type(error).__name__)
            await asyncio.sleep(POLL_SECONDS)
            news.announce()

    async def _take(self, command: CallCommand) -> None:
        """To a call that is gone: what is done by that is acknowledged, what it can no longer do is not."""
        call_id = command.call_id
        if command.command == call_commands.OVER:
            await self._holder.over(call_id, OVER_SECONDS)
            await call_commands.acknowledge(self._database, command.id)
        elif command.command == call_commands.LET_GO:
            told = command.data.get("of") == self._holder.holder.name
            if told and self._holder.let_go(call_id, int(command.data["attach_number"])):
                await call_commands.acknowledge(self._database, command.id)
        elif command.command == call_commands.OFFERED:
            if self._holder.offered(call_id):
                await call_commands.acknowledge(self._database, command.id)
        elif command.command in call_commands.FOR_ANYBODY:
            # Whoever asks for it cannot be the one to do it; who does it already is asked once more.
            asked_by_us = command.data.get("held_by") == self._holder.holder.name
            if not asked_by_us and self._holder.holds(call_id):
                await call_commands.acknowledge(self._database, command.id)
        elif self._holder.holds(call_id) and await call_commands.acknowledge(self._database, command.id):
            self._carry_out(call_id, command.command, command.data)

    async def _take_over(self, command: CallCommand) -> None:
        """Any process may; the first one does."""
        if await call_commands.acknowledge(self._database, command.id):
            held_by, quiet = str(command.data.get("held_by")), bool(command.data.get("quiet"))
            work = self._moves.take(command.call_id, held_by=held_by, quiet=quiet)
            task = asyncio.create_task(work, name=f"take_{command.call_id}")
            self._taking.add(task)
            task.add_done_callback(self._taking.discard)

    async def _prepare(self, command: CallCommand) -> None:
        """The row names its new holder before whoever asked is told: what Twilio hears next depends on it."""
        taken = await self._placing.take(command.call_id, held_by=str(command.data.get("held_by")))
        if taken and not await call_commands.acknowledge(self._database, command.id):
            self._holder.abandon(command.call_id)

    def _carry_out(self, call_id: str, command: str, data: dict[str, Any]) -> None:
        match command:
            case call_commands.HANG_UP:
                self._holder.hang_up(call_id, EndReason.OPERATOR_HUNG_UP)
            case call_commands.ANSWERED:
                self._holder.answered(call_id, dt.datetime.fromisoformat(str(data["at"])))
            case call_commands.TRANSFER:
                self._holder.take(call_id, TransferRequested(str(data["destination"])))
            case call_commands.SAY:
                self._holder.take(call_id, msgspec.convert(data, SayRequested))
            case call_commands.BROKEN_OFF:
                self._holder.take(call_id, BrokenOff())
            case call_commands.MACHINE_DETECTED:
                self._holder.take(call_id, MachineDetected(str(data["answered_by"])))
            case _:
                log.warning("command_unknown", call_id=call_id, command=command)
