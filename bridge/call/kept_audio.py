"""The newest of the caller's audio, as base64, a frame of 20 ms at a time."""

from __future__ import annotations

BLOCK_FRAMES = 10


class KeptAudio:
    """Hundreds of calls keep some hundred frames each: all but the newest few are blocks of text, which take
    a sixth less than as many objects. `limit`: so many frames are kept."""

    __slots__ = ("_blocks", "_dropped", "_newest", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._blocks: list[bytes] = []
        """The oldest first; of BLOCK_FRAMES each, one to a line."""
        self._newest: list[bytes] = []
        self._dropped = 0
        """Of the oldest block."""

    def __len__(self) -> int:
        return min(self._there, self.limit)

    @property
    def _there(self) -> int:
        return len(self._blocks) * BLOCK_FRAMES - self._dropped + len(self._newest)

    def append(self, payload: bytes) -> None:
        """The newest; the oldest goes if there are too many."""
        newest = self._newest
        newest.append(payload)
        if len(newest) == BLOCK_FRAMES:
            self._blocks.append(b"\n".join(newest))
            newest.clear()
            self.drop(0)

    def drop(self, frames: int) -> None:
        """The oldest so many, and what is above the limit."""
        self._dropped += max(0, self._there - self.limit) + max(0, frames)
        while self._blocks and self._dropped >= BLOCK_FRAMES:
            del self._blocks[0]
            self._dropped -= BLOCK_FRAMES
        if not self._blocks and self._dropped:
            del self._newest[: self._dropped]
            self._dropped = 0

    def clear(self) -> None:
        self._blocks.clear()
        self._newest.clear()
        self._dropped = 0

    def frames(self) -> list[bytes]:
        """All of them, the oldest first."""
        older = [payload for block in self._blocks for payload in block.split(b"\n")]
        return [*older[self._dropped :], *self._newest][-self.limit :]
