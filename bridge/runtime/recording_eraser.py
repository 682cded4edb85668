"""Deletes recordings: of calls that were erased, and those that were kept long enough."""

from __future__ import annotations

import asyncio
import datetime as dt

import structlog

from bridge.runtime.rounds import Rounds
from database import recordings
from database.session import Database
from recordings.files import RecordingFiles

ROUND_SECONDS = 60.0
AT_ONCE = 100
ELSEWHERE_DAYS = 30
"""A machine that has not deleted its files within so many days is not there any more."""

log = structlog.get_logger(__name__)


class RecordingEraser:
    """Every process does so, for the files of its machine; it does no harm."""

    def __init__(self, database: Database, files: RecordingFiles, *, recording_days: int) -> None:
        """`recording_days`: 0 keeps them as long as the transcripts."""
        self._database = database
        self._files = files
        self._days = recording_days
        self._rounds = Rounds("recording_eraser", self.round, every_s=ROUND_SECONDS)

    def start(self) -> None:
        self._rounds.start()

    async def stop(self) -> None:
        await self._rounds.stop()

    async def round(self) -> None:
        now = dt.datetime.now(dt.UTC)
        if self._days:
            async with self._database.session.begin() as session:
                await recordings.erase_old_parts(session, now - dt.timedelta(days=self._days))
        while await self._erase_some(now) == AT_ONCE:
            pass

    async def _erase_some(self, now: dt.datetime) -> int:
        """A row goes when its files are gone, so whatever fails is tried again."""
        given_up = now - dt.timedelta(days=ELSEWHERE_DAYS)
        async with self._database.session() as session:
            call_ids = await recordings.erased_calls(
                session, machine=self._files.machine, given_up=given_up, limit=AT_ONCE
            )
        for call_id in call_ids:
            await asyncio.to_thread(self._files.erase, call_id)
        async with self._database.session.begin() as session:
            await recordings.forget_parts(session, call_ids, machine=self._files.machine, given_up=given_up)
        if call_ids:
            log.info("recordings_deleted", calls=len(call_ids))
        return len(call_ids)
