"""What live calls have to tell, on its way to Postgres: one queue and one task a process."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence

import structlog
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError, SQLAlchemyError, StatementError

from database.journal import Entry, LineEntry, write
from database.session import Database

QUEUE_ENTRIES = 20_000
"""While Postgres is away: beyond this the oldest are dropped."""
BATCH_ENTRIES = 500
LINGER_SECONDS = 0.25
"""Entries that come within this time share a transaction; the end of a call does not wait for it."""
RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0)
TOOL_SECONDS = 1.0
"""For the start of a tool to be written before it runs."""
SUPERSEDED_KEPT = 1000

log = structlog.get_logger(__name__)


class Journal:
    """`on_superseded` hears once of a call that another process than `holder` has attached to since, with the
    attach number that it has now: what this one still had to tell of it was not written."""

    def __init__(
        self,
        database: Database,
        *,
        holder: str = "",
        on_superseded: Callable[[str, int], object] | None = None,
        queue_entries: int = QUEUE_ENTRIES,
    ) -> None:
        self._database = database
        self._holder = holder
        self._on_superseded = on_superseded
        self._told: OrderedDict[str, int] = OrderedDict()
        self._queue: deque[Entry | asyncio.Future[None]] = deque()
        self._queue_entries = queue_entries
        self._filled = asyncio.Event()
        self._hurried = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.dropped = 0
        """Entries lost: the queue was full, or Postgres refused them for good."""
        self.superseded = 0
        """Entries not written because another process has the call."""

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="journal")

    def add(self, entry: Entry) -> None:
        """Returns at once; never raises."""
        if len(self._queue) >= self._queue_entries:
            oldest = self._queue.popleft()
            if isinstance(oldest, asyncio.Future):
                _release(oldest)
            else:
                self.dropped += 1
        self._queue.append(entry)
        self._filled.set()

    async def tool_starts(self, line: LineEntry) -> bool:
        """Write a tool's line before the tool runs, so that whoever takes the call up knows that it did.
        False: another process has the call, and the tool must not run.

        Without Postgres nobody can have taken it: the tool runs, and the line goes the way of all others."""
        try:
            async with asyncio.timeout(TOOL_SECONDS):
                superseded = await write(self._database, [line], holder=self._holder)
        except (OSError, TimeoutError, SQLAlchemyError) as error:
            log.warning("tool_start_not_written", call_id=line.call_id, error=type(error).__name__)
            self.add(line)
            return True
        self._tell(superseded, [line])
        return not superseded

    async def flush(self, timeout_s: float) -> bool:
        """Wait until all that was added so far is written. False: not within the time."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(written)
        self._filled.set()
        self._hurried.set()
        try:
            async with asyncio.timeout(timeout_s):
                await written
        except TimeoutError:
            return False
        return True

    async def stop(self, timeout_s: float) -> None:
        """Write what there is, for so long."""
        if self._task is None:
            return
        await self.flush(timeout_s)
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None
        left = sum(not isinstance(entry, asyncio.Future) for entry in self._queue)
        if left:
            self.dropped += left
            log.error("journal_entries_lost", count=left)

    async def _run(self) -> None:
        while True:
            await self._filled.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LINGER_SECONDS):
                    await self._hurried.wait()
            self._filled.clear()
            self._hurried.clear()
            while self._queue:
                await self._write_next()

    async def _write_next(self) -> None:
        entries: list[Entry] = []
        waiting: list[asyncio.Future[None]] = []
        while self._queue and len(entries) < BATCH_ENTRIES:
            entry = self._queue.popleft()
            if isinstance(entry, asyncio.Future):
                waiting.append(entry)
            else:
                entries.append(entry)
        try:
            await self._write_however_long_it_takes(entries)
        except asyncio.CancelledError:
            self._queue.extendleft(reversed(entries))
            raise
        finally:
            for written in waiting:
                _release(written)

    async def _write_however_long_it_takes(self, entries: list[Entry]) -> None:
        tries = 0
        while entries:
            try:
                self._tell(await write(self._database, entries, holder=self._holder), entries)
                return
            except (IntegrityError, DataError, ProgrammingError, StatementError) as error:
                if getattr(error, "connection_invalidated", False):
                    await self._wait_to_retry(tries, error)
                elif len(entries) == 1:
                    self.dropped += 1
                    log.error("journal_entry_refused", error=type(error).__name__)
                    return
                else:
                    for entry in entries:
                        await self._write_however_long_it_takes([entry])
                    return
            except (OSError, TimeoutError, SQLAlchemyError) as error:
                await self._wait_to_retry(tries, error)
            tries += 1
            self._drop_beyond_the_limit(entries)

    def _tell(self, superseded: Mapping[str, int], entries: Sequence[Entry]) -> None:
        if not superseded:
            return
        self.superseded += sum(entry.attach_number < superseded.get(entry.call_id, 0) for entry in entries)
        for call_id, attach_number in superseded.items():
            if self._told.get(call_id, 0) >= attach_number:
                continue
            self._told[call_id] = attach_number
            if len(self._told) > SUPERSEDED_KEPT:
                self._told.popitem(last=False)
            log.warning("call_superseded", call_id=call_id, attach_number=attach_number)
            if self._on_superseded is not None:
                self._on_superseded(call_id, attach_number)

    async def _wait_to_retry(self, tries: int, error: Exception) -> None:
        if tries == 0:
            log.warning("journal_waits_for_postgres", error=type(error).__name__)
        await asyncio.sleep(RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)])

    def _drop_beyond_the_limit(self, entries: list[Entry]) -> None:
        """Those that are being retried are the oldest."""
        excess = min(len(entries) + len(self._queue) - self._queue_entries, len(entries))
        if excess > 0:
            del entries[:excess]
            self.dropped += excess


def _release(written: asyncio.Future[None]) -> None:
    if not written.done():
        written.set_result(None)
