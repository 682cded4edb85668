"""One side of a call: mu-law at 8 kHz, each piece at its time, silence between them."""

from __future__ import annotations

from bridge.wire.pcmu import BYTES_PER_MS

SILENCE = b"\xff"
MOST_SILENCE_BYTES = 120_000 * BYTES_PER_MS
"""A jump of two minutes is no gap: that clock is wrong, and what follows is put right behind."""


class Track:
    """Positions are bytes from the beginning of the stream."""

    def __init__(self) -> None:
        self.end = 0
        """Up to where there is audio, or silence that was decided upon."""
        self._waiting = bytearray()

    def put(self, at: int, audio: bytes, *, joins_within: int = 0) -> None:
        """`joins_within`: audio that begins at most so far from the end continues it, for its time was only
        measured. What would begin further before the end is cut off there."""
        ahead = at - self.end
        if ahead > joins_within:
            self._silence(ahead)
        elif -ahead > joins_within:
            audio = audio[-ahead:]
        self._waiting += audio
        self.end += len(audio)

    def fill(self, end: int) -> None:
        """Nothing more comes before `end`."""
        self._silence(end - self.end)

    def _silence(self, size: int) -> None:
        if 0 < size <= MOST_SILENCE_BYTES:
            self._waiting += SILENCE * size
            self.end += size

    def take(self, size: int) -> bytes:
        """The next `size` bytes, which must be there."""
        taken = bytes(self._waiting[:size])
        del self._waiting[:size]
        return taken
