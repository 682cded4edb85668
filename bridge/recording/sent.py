"""The agent's audio on its way through Twilio's buffer: what of it was played, and when.

The same reasoning as in `bridge/call/playback.py`, on the audio itself: a mark that comes back says that all
before it was played, and the caller's audio beside it says when. Both come on one ordered socket, so as long
as the answer to a `clear` is not there, the audio has gone on.
https://www.twilio.com/docs/voice/media-streams/websocket-messages
"""

from __future__ import annotations

from collections import deque

from bridge.recording.track import Track
from bridge.wire.pcmu import BYTES_PER_MS, FRAME_MS

JOINS_WITHIN = 2 * FRAME_MS * BYTES_PER_MS
"""Stream time is known to a frame."""
TOO_EARLY_BYTES = 200 * BYTES_PER_MS
"""Audio whose mark is back so long before it can have been played was never in Twilio's buffer."""


class Sent:
    """What was sent between two clears. Positions are bytes since its beginning."""

    def __init__(self, track: Track) -> None:
        self._track = track
        self._audio = bytearray()
        self._placed = 0
        self._end = 0
        self._begins_at: int | None = 0
        """Nothing may be playing when playback gets there: only its mark can tell when it goes on."""
        self._marks: deque[tuple[str, int]] = deque()
        self._reached: tuple[int, int] | None = None
        """A position, and the stream time in bytes at which playback stood there; None: it has not begun."""

    def media(self, audio: bytes) -> None:
        self._audio += audio
        self._end += len(audio)

    def mark(self, name: str) -> None:
        if not self._marks and self._end == self._placed:
            self._begins_at = self._end
        self._marks.append((name, self._end))

    def holds(self, name: str) -> bool:
        return any(mark == name for mark, _ in self._marks)

    def returned(self, name: str, now: int) -> None:
        """A mark is back; `now` is where the caller's last frame began, in bytes."""
        position = 0
        while self._marks:
            mark, position = self._marks.popleft()
            if mark == name:
                break
        if position == self._begins_at:
            # What is sent behind it goes into the next frame.
            self._reached = position, now + FRAME_MS * BYTES_PER_MS
            return
        self._reached = self._reached or (0, now - position)
        if self._due(position) - now > TOO_EARLY_BYTES:
            self._skip(position)
        else:
            self._place(position)
        self._reached = position, now

    def came_too_soon(self, name: str, now: int) -> bool:
        """After a `clear`: this mark is back because it was thrown away, not because it was reached."""
        position = next(position for mark, position in self._marks if mark == name)
        if self._reached is None:
            return position > 0
        return now < self._due(position) - FRAME_MS * BYTES_PER_MS

    def play(self, now: int) -> None:
        """Up to there, the stream has gone on: so has the audio, but not past a mark that is not back."""
        if self._reached is not None and self._marks:
            position, at = self._reached
            self._place(min(position + now - at, self._marks[0][1]))

    def _due(self, position: int) -> int:
        reached, at = self._reached or (0, 0)
        return at + position - reached

    def _place(self, position: int) -> None:
        size = position - self._placed
        if size > 0:
            at, begins = self._due(self._placed), self._placed == self._begins_at
            joins = JOINS_WITHIN if at < self._track.end or not begins else 0
            self._track.put(at, bytes(self._audio[:size]), joins_within=joins)
            self._skip(position)

    def _skip(self, position: int) -> None:
        if position > self._placed:
            del self._audio[: position - self._placed]
            self._placed = position
