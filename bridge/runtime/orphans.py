"""Calls of the process that had this place before and was killed, where Twilio does not ask about them.

It asks when a media socket breaks. One that was dead already, or that it thinks alive, it does not notice.
"""

from __future__ import annotations

import asyncio

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bridge.runtime.moves import Moves
from database import call_commands, holding
from database.calls import Holder
from database.notifications import Notifications
from database.session import Database

ASKED_SECONDS = 2.5
"""For Twilio to ask about the others."""
HOLDER_SECONDS = 0.5
"""For another process of that name, on another machine, to say that the call is its own."""

log = structlog.get_logger(__name__)


class Orphans:
    """Looked for once, soon after the start."""

    def __init__(
        self, database: Database, notifications: Notifications, moves: Moves, holder: Holder
    ) -> None:
        self._database = database
        self._notifications = notifications
        self._moves = moves
        self._holder = holder
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._adopt_later(), name="orphans")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _adopt_later(self) -> None:
        await asyncio.sleep(ASKED_SECONDS)
        await self.adopt()

    async def adopt(self) -> None:
        try:
            left = await holding.held_by_predecessors(self._database, self._holder)
            await asyncio.gather(*(self._adopt(call_id) for call_id in left))
        except (OSError, TimeoutError, SQLAlchemyError) as error:
            log.warning("orphans_not_looked_for", error=type(error).__name__)

    async def _adopt(self, call_id: str) -> None:
        is_there = await call_commands.ask(
            self._database,
            self._notifications,
            call_id,
            call_commands.OFFERED,
            {},
            timeout_s=HOLDER_SECONDS,
        )
        if not is_there:
            log.info("call_adopted", call_id=call_id)
            await self._moves.take(call_id, quiet=False)
