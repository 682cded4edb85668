"""One WAV file out of the parts of a recorded call, read in any range without making it."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from msgspec import Struct

from recordings.files import BYTES_PER_SECOND, RecordingFiles

HEADER_BYTES = 58
LONGEST_SILENCE_S = 4 * 3600
"""Between two parts; no call is longer."""
_MULAW = 7
"""RFC 2361."""
_SILENCE = b"\xff"
_AT_ONCE = 256 * 1024


class Part(Struct, frozen=True):
    """What was recorded of one media stream."""

    call_id: str
    number: int
    begins_s: float
    """After the first one did."""
    size: int


class _Stretch(Struct, frozen=True):
    """`part` None: silence."""

    start: int
    end: int
    part: Part | None


class Wav:
    """Left the caller, right the agent: mu-law, 8 kHz. Where a call was without a stream it is silent."""

    def __init__(self, files: RecordingFiles, parts: Sequence[Part]) -> None:
        """`parts` in their order."""
        self._files = files
        self._stretches: list[_Stretch] = []
        end = 0
        for part in parts:
            begins = min(
                round(part.begins_s * BYTES_PER_SECOND / 2) * 2, end + LONGEST_SILENCE_S * BYTES_PER_SECOND
            )
            if begins > end:
                self._stretches.append(_Stretch(end, begins, None))
                end = begins
            self._stretches.append(_Stretch(end, end + part.size, part))
            end += part.size
        self.duration_ms = end * 1000 // BYTES_PER_SECOND
        self.size = HEADER_BYTES + end

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes of the file from `start` up to `end`, a piece at a time. Each waits for the disk."""
        if start < HEADER_BYTES:
            yield self._header()[start:end]
        for stretch in self._stretches:
            first = max(start - HEADER_BYTES, stretch.start)
            last = min(end - HEADER_BYTES, stretch.end)
            while first < last:
                size = min(_AT_ONCE, last - first)
                yield self._piece(stretch, first, size)
                first += size

    def _piece(self, stretch: _Stretch, first: int, size: int) -> bytes:
        if stretch.part is None:
            return _SILENCE * size
        audio = self._files.read(stretch.part.call_id, stretch.part.number, first - stretch.start, size)
        return audio.ljust(size, _SILENCE)

    def _header(self) -> bytes:
        size = self.size - HEADER_BYTES
        return (
            struct.pack("<4sI4s", b"RIFF", self.size - 8, b"WAVE")
            + struct.pack("<4sIHHIIHHH", b"fmt ", 18, _MULAW, 2, 8000, BYTES_PER_SECOND, 2, 8, 0)
            + struct.pack("<4sII", b"fact", 4, size // 2)
            + struct.pack("<4sI", b"data", size)
        )
