"""Writes down what processes that are gone have left in the spool: every process of a `DATA_DIR` looks, when
it starts and then every so often."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from bridge.runtime.rounds import Rounds
from bridge.runtime.spool import Segment, left_behind
from bridge.runtime.spool_thread import read
from database.journal import write_batch
from database.session import Database

ROUND_SECONDS = 10.0
WRITE_SECONDS = 9.0

log = structlog.get_logger(__name__)


class LeftSpools:
    def __init__(self, database: Database, directory: Path, *, round_s: float = ROUND_SECONDS) -> None:
        self._database = database
        self._directory = directory
        self._rounds = Rounds("left_spools", self.round, every_s=round_s)
        self.entries = 0
        """Written down."""
        self.dropped = 0
        """Could not be read, or Postgres refused them for good."""

    def start(self) -> None:
        self._rounds.start()

    async def stop(self) -> None:
        await self._rounds.stop()

    async def round(self) -> None:
        """Raises what Postgres raises while it is away: the next round goes on where this one was."""
        left = await asyncio.to_thread(left_behind, self._directory)
        segments = [segment for of_one in left for segment in of_one]
        try:
            while segments:
                await self._write(segments[0])
                await asyncio.to_thread(segments.pop(0).remove)
        finally:
            for segment in segments:
                segment.release()

    async def _write(self, segment: Segment) -> None:
        written = 0
        while (record := await asyncio.to_thread(segment.next)) is not None:
            payload, entries = record
            batch = read(payload)
            if batch is None:
                self.dropped += entries
            else:
                async with asyncio.timeout(WRITE_SECONDS):
                    refused = (await write_batch(self._database, batch, late=True)).refused
                self.dropped += refused
                written += entries - refused
            await asyncio.to_thread(segment.done)
        self.entries += written
        torn = segment.unread_bytes
        log.info("spool_written_down", file=segment.path.name, entries=written, torn_bytes=torn)
