"""What the caller has heard.

Twilio buffers agent audio and plays it in order; a `mark` comes back when all before it was played, and all
pending marks come back at once when `clear` took effect. Marks and caller audio share one ordered socket, so
the `media.timestamp` last seen when a mark returns says when, on Twilio's own clock, playback stood there:
no network delay enters the sum.
https://www.twilio.com/docs/voice/media-streams/websocket-messages#send-a-mark-message
"""

from __future__ import annotations

from msgspec import Struct

from bridge.wire.pcmu import BYTES_PER_MS, FRAME_MS


class Heard(Struct, frozen=True):
    """How much of an item reached the caller."""

    item_id: str
    heard_ms: int
    started_ms: int | None
    """Stream time at which its playback began; None: it never did."""


class Settled(Struct, frozen=True):
    """The fate of a stretch of agent audio is known: it was played to its end, or cleared on the way."""

    heard: list[Heard]
    cleared: bool


class _Piece(Struct):
    item_id: str
    start: int
    end: int


class _Queue:
    """Agent audio queued at Twilio between two clears. Positions are bytes since its beginning."""

    def __init__(self) -> None:
        self.end = 0
        self.marks: list[tuple[str, int]] = []
        self.pieces: list[_Piece] = []
        self._position = 0
        self._at_ms: int | None = None

    def add(self, item_id: str, size: int) -> None:
        if self.pieces and self.pieces[-1].item_id == item_id:
            self.pieces[-1].end += size
        else:
            self.pieces.append(_Piece(item_id, self.end, self.end + size))
        self.end += size

    def returned(self, name: str, stream_ms: int) -> bool:
        """Takes a mark that came back; False: it is not one of this queue's."""
        if all(mark != name for mark, _ in self.marks):
            return False
        while self.marks:
            mark, position = self.marks.pop(0)
            if mark == name:
                self._position, self._at_ms = position, stream_ms
                break
        return True

    def passed(self, name: str, stream_ms: int) -> bool:
        """The next mark came back, and it is not the last one. False: it is another, and not taken."""
        if len(self.marks) < 2 or self.marks[0][0] != name:
            return False
        self._position, self._at_ms = self.marks.pop(0)[1], stream_ms
        return True

    def flushed(self, name: str, stream_ms: int) -> bool:
        """The same after a `clear` was sent: a mark that is back before it can have been played was thrown
        away, and changes nothing. Stream time advances by frames, so a mark may seem one frame early."""
        for mark, position in self.marks:
            if mark == name:
                due_ms = self._due_ms(position)
                if due_ms is None:
                    due_ms = stream_ms if position == 0 else stream_ms + 2 * FRAME_MS
                if stream_ms >= due_ms - FRAME_MS:
                    self.returned(name, max(stream_ms, due_ms))
                return True
        return False

    def _due_ms(self, position: int) -> int | None:
        if self._at_ms is None:
            return None
        return self._at_ms + (position - self._position) // BYTES_PER_MS

    def position(self, stream_ms: int) -> int:
        """The byte that is being played: on from the last mark by the stream's clock, never past the next
        one."""
        if self._at_ms is None:
            return 0
        limit = self.marks[0][1] if self.marks else self._position
        return min(self._position + max(0, stream_ms - self._at_ms) * BYTES_PER_MS, limit)

    def started_ms(self, piece: _Piece) -> int | None:
        if self._at_ms is None:
            return None
        return self._at_ms - (self._position - piece.start) // BYTES_PER_MS

    def heard(self, stream_ms: int) -> list[Heard]:
        position = self.position(stream_ms)
        return [
            Heard(
                piece.item_id,
                max(0, min(position, piece.end) - piece.start) // BYTES_PER_MS,
                self.started_ms(piece) if position > piece.start else None,
            )
            for piece in self.pieces
        ]


class Playback:
    """The ledger of one media stream."""

    def __init__(self) -> None:
        self._queue = _Queue()
        self._flushing: _Queue | None = None
        self._flush_mark = ""
        self._marks_made = 0

    def _mark(self) -> str:
        self._marks_made += 1
        return str(self._marks_made)

    @property
    def playing(self) -> bool:
        """Something is queued that is not known to have been played."""
        return bool(self._queue.marks)

    @property
    def clearing(self) -> bool:
        """A `clear` was sent and has not been seen to take effect."""
        return self._flushing is not None

    def unplayed_ms(self, stream_ms: int) -> int:
        return (self._queue.end - self._queue.position(stream_ms)) // BYTES_PER_MS

    def add(self, item_id: str, size: int) -> tuple[str | None, str]:
        """Audio is being sent: the marks to send before it (only where the buffer may be empty, to learn when
        its playback begins) and after it."""
        before = None
        if not self._queue.marks:
            self._queue = _Queue()
            before = self._mark()
            self._queue.marks.append((before, 0))
        self._queue.add(item_id, size)
        after = self._mark()
        self._queue.marks.append((after, self._queue.end))
        return before, after

    def flows(self, item_id: str) -> bool:
        """Audio of an item was added last, and is not known to have been played."""
        queue = self._queue
        return bool(queue.marks) and queue.pieces[-1].item_id == item_id

    def goes_on(self, size: int) -> str:
        """More of it is being sent, while it flows: the mark to send after it."""
        queue = self._queue
        queue.pieces[-1].end += size
        queue.end += size
        after = self._mark()
        queue.marks.append((after, queue.end))
        return after

    def clear(self) -> str:
        """`clear` is being sent: the mark to send behind it, whose return says that it took effect."""
        self._flushing, self._queue = self._queue, _Queue()
        self._flush_mark = self._mark()
        return self._flush_mark

    def mark_passed(self, name: str, stream_ms: int) -> bool:
        """Takes a mark by which nothing is settled. False: it may be another, and is not taken."""
        return self._flushing is None and self._queue.passed(name, stream_ms)

    def mark_returned(self, name: str, stream_ms: int) -> Settled | None:
        """Takes a mark that Twilio sent back; one that is not ours changes nothing."""
        if self._flushing is not None:
            if name == self._flush_mark:
                return self.cleared(stream_ms)
            if self._flushing.flushed(name, stream_ms):
                return None
        if self._queue.returned(name, stream_ms) and not self._queue.marks:
            return Settled(self._queue.heard(stream_ms), cleared=False)
        return None

    def cleared(self, stream_ms: int) -> Settled:
        """The `clear` took effect now, or must be taken to have."""
        queue, self._flushing = self._flushing or _Queue(), None
        return Settled(queue.heard(stream_ms), cleared=True)

    def heard_so_far(self, stream_ms: int) -> list[Heard]:
        """Of what is not settled, how much has been heard by now."""
        return (self._flushing or self._queue).heard(stream_ms)
