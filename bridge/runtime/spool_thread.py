"""The spool, driven from the event loop: the disk is waited for in a thread, one request after another."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog
from msgspec import Struct

from bridge.runtime.spool import Segment, Spool
from database.journal import Batch, decoded, encoded

Answer = TypeVar("Answer")

log = structlog.get_logger(__name__)


class Found(Struct, frozen=True):
    batch: Batch | None
    """None: a later version of the server has written it, and it cannot be read."""
    entries: int
    segment: Segment


class SpoolThread:
    def __init__(self, directory: Path | None, journal: str) -> None:
        self._spool = None if directory is None else Spool(directory, journal)
        self._thread = ThreadPoolExecutor(1, "spool")
        self._appending = 0
        self.bytes = 0

    @property
    def there(self) -> bool:
        return self._spool is not None

    @property
    def busy(self) -> bool:
        """Something is on its way to the disk."""
        return self._appending > 0

    async def append(self, batch: Batch) -> int:
        """Returns how many old entries had to go for it. Raises OSError: there is no room, or no spool."""
        self._appending += 1
        try:
            return await self._in_thread(lambda spool: spool.append(encoded(batch), len(batch.entries)))
        finally:
            self._appending -= 1

    async def oldest(self) -> Found | None:
        """Raises OSError."""
        if self._spool is None:
            return None
        record = await self._in_thread(lambda spool: spool.oldest())
        if record is None:
            return None
        payload, entries, segment = record
        return Found(read(payload), entries, segment)

    async def done(self, found: Found) -> None:
        await self._in_thread(lambda spool: spool.done(found.segment))

    async def drop_oldest(self) -> int:
        return 0 if self._spool is None else await self._in_thread(lambda spool: spool.drop_oldest())

    async def close(self) -> None:
        if self._spool is not None:
            await self._in_thread(lambda spool: spool.close())
        self._thread.shutdown(wait=False)

    async def _in_thread(self, work: Callable[[Spool], Answer]) -> Answer:
        spool = self._spool
        if spool is None:
            raise OSError(errno.ENOENT, "there is no spool")

        def run() -> Answer:
            try:
                return work(spool)
            finally:
                self.bytes = spool.bytes

        return await asyncio.get_running_loop().run_in_executor(self._thread, run)


def read(payload: bytes) -> Batch | None:
    try:
        return decoded(payload)
    except msgspec.DecodeError:
        log.error("spooled_batch_unreadable")
        return None
