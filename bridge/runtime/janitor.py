"""Puts right what a lost answer or a lost process has left in the database. Every process does so; it does
no harm."""

from __future__ import annotations

import structlog

from bridge.runtime.rounds import Rounds
from database import call_commands, calls
from database.session import Database

ROUND_SECONDS = 15.0
UNCLAIMED_SECONDS = 60.0
COMMANDS_KEPT_SECONDS = 3600.0

log = structlog.get_logger(__name__)


class Janitor:
    def __init__(self, database: Database, *, round_s: float = ROUND_SECONDS) -> None:
        self._database = database
        self._rounds = Rounds("janitor", self.round, every_s=round_s)

    def start(self) -> None:
        self._rounds.start()

    async def stop(self) -> None:
        await self._rounds.stop()

    async def round(self) -> None:
        for call_id in await calls.fail_unclaimed(self._database, older_than_s=UNCLAIMED_SECONDS):
            log.warning("call_unclaimed", call_id=call_id)
        for call_id in await calls.finish_forgotten(self._database):
            log.error("call_forgotten", call_id=call_id)
        await call_commands.forget_old(self._database, older_than_s=COMMANDS_KEPT_SECONDS)
