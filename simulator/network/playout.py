"""Twilio's outbound buffer of one stream: what our server sent, played in real time in steps of 20 ms.

It knows the truth: which of the agent's bytes were really played, when, and which were cleared.
https://www.twilio.com/docs/voice/media-streams/websocket-messages
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

FRAME_MS = 20
FRAME_BYTES = 160
SILENCE = b"\xff" * FRAME_BYTES
MOST_BUFFERED_BYTES = 10 * 60 * 8_000
"""Ten minutes; more is discarded (31931)."""


@dataclass
class Span:
    """`length` bytes, the first being the `offset`-th that the server sent on this stream, at `stream_ms`."""

    stream_ms: int
    offset: int
    length: int


class Playout:
    """Time is counted in steps; `stream_ms` is Twilio's media time, as in the caller's frame of the step."""

    def __init__(self) -> None:
        self.stream_ms = 0
        self.received_bytes = 0
        self.played: list[Span] = []
        """In order, neighbours joined: a gap between two means silence was played."""
        self.cleared: list[Span] = []
        self.discarded_bytes = 0
        self._queue: deque[bytes | str] = deque()
        self._passed: list[str] = []
        self._playing = False
        self._queued_bytes = 0
        self._next_offset = 0

    @property
    def played_ms(self) -> float:
        """How much of the agent's audio was played in all."""
        return sum(span.length for span in self.played) / 8

    @property
    def queued_bytes(self) -> int:
        return self._queued_bytes

    def media(self, audio: bytes) -> bool:
        """Queues audio; False when the buffer is full and the audio is discarded."""
        if self._queued_bytes + len(audio) > MOST_BUFFERED_BYTES:
            self.discarded_bytes += len(audio)
            return False
        if audio:
            self._queue.append(audio)
            self._queued_bytes += len(audio)
            self.received_bytes += len(audio)
        return True

    def mark(self, name: str) -> list[str]:
        """The marks to echo now: this one when nothing is left to play, else none."""
        if not self._queue and not self._playing and not self._passed:
            return [name]
        self._queue.append(name)
        return []

    def clear(self) -> list[str]:
        """Empties the buffer; every pending mark is to be echoed now, in order."""
        if self._queued_bytes:
            self.cleared.append(Span(self.stream_ms, self._next_offset, self._queued_bytes))
        marks = self._passed + [item for item in self._queue if isinstance(item, str)]
        self._next_offset += self._queued_bytes
        self._queued_bytes = 0
        self._queue.clear()
        self._passed = []
        return marks

    def step(self) -> tuple[bytes, list[str]]:
        """Begins the next 20 ms: the frame that plays during them, and the marks reached by now."""
        self.stream_ms += FRAME_MS
        marks = self._passed
        self._passed = []
        while self._queue and isinstance(self._queue[0], str):
            marks.append(self._queue.popleft())  # pyright: ignore[reportArgumentType] the line above looked
        frame = self._take()
        self._playing = bool(frame)
        if not frame:
            return SILENCE, marks
        self._note(len(frame))
        return frame.ljust(FRAME_BYTES, b"\xff"), marks

    def _take(self) -> bytes:
        frame = b""
        while self._queue and len(frame) < FRAME_BYTES:
            item = self._queue.popleft()
            if isinstance(item, str):
                self._passed.append(item)
                continue
            missing = FRAME_BYTES - len(frame)
            if len(item) > missing:
                self._queue.appendleft(item[missing:])
                item = item[:missing]
            frame += item
        return frame

    def _note(self, length: int) -> None:
        self._queued_bytes -= length
        last = self.played[-1] if self.played else None
        follows = (
            last is not None
            and last.offset + last.length == self._next_offset
            and last.stream_ms + last.length // 8 == self.stream_ms
        )
        if last is not None and follows:
            last.length += length
        else:
            self.played.append(Span(self.stream_ms, self._next_offset, length))
        self._next_offset += length
