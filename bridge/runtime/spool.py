"""What could not be written to Postgres yet, in files: records in order, read back in that order.

A record is its payload's length and CRC-32, how many entries it holds, and the payload. A file that is
being written is locked by its process; the kernel lets go of it however that process ends, and whoever locks
it next reads on. What it holds was said by people: mode 0600, and deleted as soon as it is in the database.

All of it waits for the disk: it runs in a thread of its own, one call at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import zlib
from collections import deque
from itertools import groupby
from pathlib import Path

FRAME = struct.Struct(">III")
SEGMENT_BYTES = 4 * 1024 * 1024
MAX_BYTES = 1024 * 1024 * 1024
"""Of one process: an hour of a thousand busy calls. Beyond it the oldest go."""
MAX_RECORD_BYTES = 64 * 1024 * 1024
SUFFIX = ".spool"


class Segment:
    """One file, locked."""

    def __init__(self, path: Path, fd: int, end: int) -> None:
        self.path = path
        self.end = end
        self._fd = fd
        self._read_at = 0

    @classmethod
    def create(cls, path: Path) -> Segment:
        """Locked before it has its name, so that nobody takes it for one that was left. Raises OSError."""
        new = path.with_suffix(".new")
        fd = os.open(new, os.O_CREAT | os.O_RDWR | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            new.rename(path)
            _sync_directory(path.parent)
        except OSError:
            os.close(fd)
            raise
        return cls(path, fd, 0)

    @classmethod
    def claim(cls, path: Path) -> Segment | None:
        """One whose process is gone. None: it is in use, or is no more."""
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.stat().st_ino == os.fstat(fd).st_ino:
                return cls(path, fd, os.fstat(fd).st_size)
        except (BlockingIOError, FileNotFoundError):
            pass
        os.close(fd)
        return None

    def append(self, payload: bytes, entries: int) -> None:
        """On the disk when it returns. Raises OSError, and is then as it was."""
        record = FRAME.pack(len(payload), zlib.crc32(payload), entries) + payload
        try:
            at = self.end
            while record:
                written = os.pwrite(self._fd, record, at)
                at, record = at + written, record[written:]
            os.fsync(self._fd)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self.end)
            raise
        self.end = at

    def next(self) -> tuple[bytes, int] | None:
        """The oldest record that is not done, and how many entries it holds. None: no whole one is left."""
        frame = os.pread(self._fd, FRAME.size, self._read_at)
        if len(frame) < FRAME.size:
            return None
        length, crc, entries = FRAME.unpack(frame)
        if length > MAX_RECORD_BYTES:
            return None
        payload = os.pread(self._fd, length, self._read_at + FRAME.size)
        return (payload, entries) if len(payload) == length and zlib.crc32(payload) == crc else None

    def done(self) -> None:
        """The record that `next` gave is in the database."""
        length, _, _ = FRAME.unpack(os.pread(self._fd, FRAME.size, self._read_at))
        self._read_at += FRAME.size + length

    @property
    def unread_bytes(self) -> int:
        return self.end - self._read_at

    def count(self) -> int:
        """Entries that are not done."""
        read_at, entries = self._read_at, 0
        while (record := self.next()) is not None:
            entries += record[1]
            self.done()
        self._read_at = read_at
        return entries

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        os.close(self._fd)

    def release(self) -> None:
        """Leave it to whoever claims it next."""
        os.close(self._fd)


class Spool:
    """The files of one process, which are named after its journal."""

    def __init__(
        self, directory: Path, journal: str, *, segment_bytes: int = SEGMENT_BYTES, max_bytes: int = MAX_BYTES
    ) -> None:
        self._directory = directory
        self._journal = journal
        self._segment_bytes = segment_bytes
        self._max_bytes = max_bytes
        self._segments: deque[Segment] = deque()
        self._made = 0

    @property
    def bytes(self) -> int:
        return sum(segment.unread_bytes for segment in self._segments)

    def append(self, payload: bytes, entries: int) -> int:
        """Returns how many old entries had to go for it. Raises OSError: there is no room."""
        dropped = 0
        while self._segments and self.bytes + len(payload) > self._max_bytes:
            dropped += self.drop_oldest()
        if not self._segments or self._segments[-1].end >= self._segment_bytes:
            self._segments.append(self._new_segment())
        self._segments[-1].append(payload, entries)
        return dropped

    def oldest(self) -> tuple[bytes, int, Segment] | None:
        """The oldest record, its entries, and where it is. None: all is done, and no file is left."""
        while self._segments:
            segment = self._segments[0]
            if (record := segment.next()) is not None:
                return *record, segment
            self._segments.popleft().remove()
        return None

    def done(self, segment: Segment) -> None:
        if self._segments and self._segments[0] is segment:
            segment.done()

    def drop_oldest(self) -> int:
        """Make room, at the cost of the oldest file. Returns how many entries are lost by it."""
        if not self._segments:
            return 0
        segment = self._segments.popleft()
        lost = segment.count()
        segment.remove()
        return lost

    def close(self) -> None:
        """What is left is left to whoever opens the directory next."""
        for segment in self._segments:
            segment.release()
        self._segments.clear()

    def _new_segment(self) -> Segment:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._made += 1
        return Segment.create(self._directory / f"{self._journal}-{self._made:06d}{SUFFIX}")


def left_behind(directory: Path) -> list[list[Segment]]:
    """Files of processes that are gone, locked for the caller, each process's in their order. Whoever has the
    first of a process may have the others."""
    paths = sorted(directory.glob(f"*{SUFFIX}"))
    found: list[list[Segment]] = []
    for _, of_one in groupby(paths, lambda path: path.name.rpartition("-")[0]):
        segments: list[Segment] = []
        for path in of_one:
            segment = Segment.claim(path)
            if segment is None:
                break
            segments.append(segment)
        if segments:
            found.append(segments)
    return found


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
