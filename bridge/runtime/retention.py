"""Deletes what was said once it was kept for as long as the operator wants it to be."""

from __future__ import annotations

import datetime as dt

import structlog

from bridge.runtime.rounds import Rounds
from database.call_history import erase_old_words
from database.session import Database

ROUND_SECONDS = 300.0
AT_ONCE = 100

log = structlog.get_logger(__name__)


class Retention:
    def __init__(self, database: Database, *, transcript_days: int) -> None:
        """`transcript_days`: 0 keeps them for ever."""
        self._database = database
        self._days = transcript_days
        self._rounds = Rounds("retention", self.round, every_s=ROUND_SECONDS)

    def start(self) -> None:
        if self._days:
            self._rounds.start()

    async def stop(self) -> None:
        await self._rounds.stop()

    async def round(self) -> None:
        """Safe beside other processes' rounds: each takes calls that no other has."""
        ended_before = dt.datetime.now(dt.UTC) - dt.timedelta(days=self._days)
        erased = count = await erase_old_words(self._database, ended_before, limit=AT_ONCE)
        while count == AT_ONCE:
            count = await erase_old_words(self._database, ended_before, limit=AT_ONCE)
            erased += count
        if erased:
            log.info("transcripts_deleted", calls=erased)
