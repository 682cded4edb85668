"""Rows of calls that are over: Twilio's last status callback makes them final, and where none comes we do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bridge.call.ending import EndReason
from database import calls
from database.session import Database

GRACE_SECONDS = 10.0

log = structlog.get_logger(__name__)


class RowCloser:
    def __init__(
        self,
        database: Database,
        behind: Callable[[], bool],
        *,
        holder: str | None = None,
        grace_s: float = GRACE_SECONDS,
    ) -> None:
        """`behind`: what calls had to tell is not all written yet. Their end is told last. `holder`: this
        process; calls that another one has by now go on."""
        self._database = database
        self._behind = behind
        self._holder = holder
        self._grace_s = grace_s
        self._due: dict[str, tuple[float, EndReason]] = {}
        """By call, in the order of their times."""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="row_closer")

    def close_unless_twilio_does(self, call_id: str, reason: EndReason) -> None:
        self._due[call_id] = (asyncio.get_running_loop().time() + self._grace_s, reason)

    async def stop(self) -> None:
        """Calls that are over stay so: close their rows now."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self._close(float("inf"))

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(min(1.0, self._grace_s))
            await self.close_due()

    async def close_due(self) -> None:
        await self._close(asyncio.get_running_loop().time())

    async def _close(self, now: float) -> None:
        if self._behind():
            return
        for call_id, (due, reason) in list(self._due.items()):
            if due > now:
                return
            try:
                await calls.finish(
                    self._database, call_id, status="completed", reason=reason, held_by=self._holder
                )
            except (OSError, TimeoutError, SQLAlchemyError) as error:
                log.warning("row_not_closed", call_id=call_id, error=type(error).__name__)
                return
            del self._due[call_id]
