"""What live calls have to tell, on its way to Postgres: one queue a process, in batches written once each.

While Postgres is away or slow, batches go to files (`bridge/runtime/spool.py`) and from there to Postgres
when it is back, behind one another: as long as one waits there, every later one goes there too.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from pathlib import Path

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bridge.runtime.left_spools import LeftSpools
from bridge.runtime.spool_thread import SpoolThread
from bridge.runtime.superseded import Superseded
from database.journal import Batch, Entry, LineEntry, write, write_batch
from database.models import new_id
from database.session import Database

QUEUE_ENTRIES = 20_000
"""While neither Postgres nor the disk takes them: beyond this the oldest are dropped."""
BATCH_ENTRIES = 500
LINGER_SECONDS = 0.4
"""Entries that come within this time share a transaction; the end of a call does not wait for it."""
WRITE_SECONDS = 2.0
"""For a batch to be written; then it goes to the disk."""
LATE_WRITE_SECONDS = 9.0
"""For one that is there already: a slow Postgres gets ahead in the end."""
RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0)
TOOL_SECONDS = 1.0
"""For the start of a tool to be written before it runs."""

log = structlog.get_logger(__name__)


class Flush:
    """Somebody who waits for all that stands before this in the queue."""

    def __init__(self, disk_will_do: bool) -> None:
        self.disk_will_do = disk_will_do
        self.done = asyncio.Event()


class Journal:
    """`on_superseded` hears once of a call that another process than `holder` has attached to since, with the
    attach number that it has now: what this one still had to tell of it was not written."""

    def __init__(
        self,
        database: Database,
        *,
        holder: str = "",
        on_superseded: Callable[[str, int], object] | None = None,
        spool_dir: Path | None = None,
        queue_entries: int = QUEUE_ENTRIES,
    ) -> None:
        """`spool_dir` None: what Postgres does not take waits in memory."""
        self._database = database
        self._holder = holder
        self._superseded = Superseded(on_superseded)
        self._id = new_id("journal")
        self._spool = SpoolThread(spool_dir, self._id)
        self._left = None if spool_dir is None else LeftSpools(database, spool_dir)
        self._queue: deque[Entry | Flush] = deque()
        self._queue_entries = queue_entries
        self._filled = asyncio.Event()
        self._hurried = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._batch: Batch | None = None
        """On its way from the queue to Postgres or to the disk."""
        self._number = 0
        """Of the last batch that was taken from the queue."""
        self._spooled_number = 0
        """Of the last one that is on the disk, or was; none before it is anywhere else than there."""
        self._written_number = 0
        """Of the last one that is in Postgres; all before it are too."""
        self._waiting: list[tuple[int, Flush]] = []
        """Who waits for which batch."""
        self._spooled = asyncio.Event()
        self.away = False
        """Postgres did not take the last batch that it was offered."""
        self._dropped = 0
        self.spooled = 0
        """Entries that went to the disk."""

    @property
    def dropped(self) -> int:
        """Entries lost: there was no room for them, or Postgres refused them for good."""
        return self._dropped + (0 if self._left is None else self._left.dropped)

    @property
    def left_over(self) -> int:
        """Entries written down for processes that are gone."""
        return 0 if self._left is None else self._left.entries

    @property
    def superseded(self) -> int:
        """Entries not written because another process has the call."""
        return self._superseded.entries

    @property
    def behind(self) -> bool:
        """Something waits on the disk."""
        return self._written_number < self._spooled_number

    @property
    def spool_bytes(self) -> int:
        """On the disk, and not yet in Postgres."""
        return self._spool.bytes

    def start(self) -> None:
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._run(), name="journal"),
                asyncio.create_task(self._replay(), name="journal_replay"),
            ]
            if self._left is not None:
                self._left.start()

    def add(self, entry: Entry) -> None:
        """Returns at once; never raises."""
        if len(self._queue) >= self._queue_entries:
            oldest = self._queue.popleft()
            if isinstance(oldest, Flush):
                oldest.done.set()
            else:
                self._dropped += 1
        self._queue.append(entry)
        self._filled.set()

    async def tool_starts(self, line: LineEntry) -> bool:
        """Write a tool's line before the tool runs, so that whoever takes the call up knows that it did.
        False: another process has the call, and the tool must not run.

        Without Postgres nobody can have taken it: the tool runs, and the line goes the way of all others."""
        try:
            if self.away:
                raise TimeoutError
            async with asyncio.timeout(TOOL_SECONDS):
                superseded = await write(self._database, [line], holder=self._holder)
        except (OSError, TimeoutError, SQLAlchemyError) as error:
            log.warning("tool_start_not_written", call_id=line.call_id, error=type(error).__name__)
            self.add(line)
            return True
        self._superseded.tell(superseded, [line])
        if self.behind and not superseded:
            self.add(line)  # the call itself may be on the disk yet
        return not superseded

    async def flush(self, timeout_s: float, *, disk_will_do: bool = True) -> bool:
        """Wait until all that was added so far is written; or, if that will do, on the disk while Postgres is
        away. False: not within the time."""
        written = Flush(disk_will_do)
        self._queue.append(written)
        self._filled.set()
        self._hurried.set()
        try:
            async with asyncio.timeout(timeout_s):
                await written.done.wait()
        except TimeoutError:
            return False
        return True

    async def stop(self, timeout_s: float) -> None:
        """Write what there is, for so long; what is left goes to the disk, for the next process."""
        if not self._tasks:
            return
        await self.flush(timeout_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        self._tasks = []
        if self._batch is not None:
            await self._keep(self._batch)
        while (batch := self._take()) is not None:
            await self._keep(batch)
        if self._left is not None:
            await self._left.stop()
        await self._spool.close()
        for _, written in self._waiting:
            written.done.set()

    async def _keep(self, batch: Batch) -> None:
        if batch.entries and not await self._to_spool(batch):
            self._dropped += len(batch.entries)
            log.error("journal_entries_lost", count=len(batch.entries))

    # From the queue to Postgres, or to the disk.

    async def _run(self) -> None:
        while True:
            await self._filled.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LINGER_SECONDS):
                    await self._hurried.wait()
            self._filled.clear()
            self._hurried.clear()
            more = True
            while more and (batch := self._take()) is not None:
                # What comes while this one is written waits for others again, as this one has.
                more = bool(self._queue)
                self._batch = batch
                await self._pass_on(batch)
                self._batch = None
                self._settle()

    def _take(self) -> Batch | None:
        entries: list[Entry] = []
        while self._queue and len(entries) < BATCH_ENTRIES:
            entry = self._queue.popleft()
            if not isinstance(entry, Flush):
                entries.append(entry)
            else:
                self._waiting.append((self._number + bool(entries), entry))
        if not entries:
            self._settle()
            return None
        self._number += 1
        return Batch(self._id, self._holder, self._number, entries)

    async def _pass_on(self, batch: Batch) -> None:
        tries = 0
        while batch.entries:
            if self._written_number == batch.number - 1 and await self._write(batch, WRITE_SECONDS):
                return
            if await self._to_spool(batch):
                return
            if not await self._make_room(batch):
                await asyncio.sleep(RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)])
            tries += 1
        if self._written_number == batch.number - 1:
            self._written_number = batch.number

    async def _write(self, batch: Batch, timeout_s: float, *, late: bool = False) -> bool:
        """False: Postgres is away, or slow; whether it was written after all is found out next time."""
        try:
            async with asyncio.timeout(timeout_s):
                written = await write_batch(self._database, batch, late=late)
        except (OSError, TimeoutError, SQLAlchemyError) as error:
            if not self.away:
                log.warning("journal_waits_for_postgres", error=type(error).__name__)
            self.away = True
            self._settle()
            return False
        if written.refused:
            self._dropped += written.refused
            log.error("journal_entries_refused", count=written.refused)
        self.away = False
        self._written_number = max(self._written_number, batch.number)
        self._superseded.tell(written.superseded, () if late else batch.entries)
        self._settle()
        return True

    async def _to_spool(self, batch: Batch) -> bool:
        try:
            self._dropped += await self._spool.append(batch)
        except OSError as error:
            if self._spool.there:
                log.error("journal_not_spooled", error=type(error).__name__, errno=error.errno)
            return False
        self.spooled += len(batch.entries)
        self._spooled_number = batch.number
        self._spooled.set()
        self._settle()
        return True

    async def _make_room(self, batch: Batch) -> bool:
        """The oldest go first: those on the disk, then those of the batch. Returns whether it is worth
        another try at once."""
        excess = len(batch.entries) + len(self._queue) - self._queue_entries
        if excess <= 0:
            return False
        lost = await self._spool.drop_oldest()
        self._dropped += lost
        if lost:
            return True
        self._dropped += min(excess, len(batch.entries))
        del batch.entries[:excess]
        return False

    # From the disk to Postgres.

    async def _replay(self) -> None:
        while True:
            await self._spooled.wait()
            self._spooled.clear()
            try:
                await self._replay_all()
            except OSError as error:
                log.error("spool_not_read", error=type(error).__name__, errno=error.errno)
                self._spooled.set()
                await asyncio.sleep(RETRY_SECONDS[-1])

    async def _replay_all(self) -> None:
        tries = 0
        while (found := await self._spool.oldest()) is not None:
            if found.batch is None:
                self._dropped += found.entries
            elif not await self._write(found.batch, LATE_WRITE_SECONDS, late=True):
                await asyncio.sleep(RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)])
                tries += 1
                continue
            tries = 0
            await self._spool.done(found)
        if not self._spool.busy and not self._spooled.is_set():
            # Nothing is on the disk, nor on its way there: batches go straight to Postgres again.
            self._written_number = max(self._written_number, self._spooled_number)
            self._settle()

    def _settle(self) -> None:
        """Those who wait for what is written by now, or is safe enough, wait no longer."""
        waiting, self._waiting = self._waiting, []
        for number, flush in waiting:
            on_disk = self.away and flush.disk_will_do and number <= self._spooled_number
            if on_disk or number <= self._written_number:
                flush.done.set()
            else:
                self._waiting.append((number, flush))
