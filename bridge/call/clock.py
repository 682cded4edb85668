"""The times of a call: the machine's monotonic seconds, the phone's own stream clock, and offsets from the
answer."""

from __future__ import annotations


class CallClock:
    def __init__(self) -> None:
        self.now = 0.0
        """Monotonic seconds of what is being handled."""
        self.answered_at: float | None = None
        self._stream_started_ms = 0

    def stream_started(self) -> None:
        self._stream_started_ms = self.offset_ms()

    def offset_ms(self, at: float | None = None) -> int:
        """Milliseconds from the answer; 0 before it."""
        if self.answered_at is None:
            return 0
        return round(((self.now if at is None else at) - self.answered_at) * 1000)

    def stream_offset_ms(self, stream_ms: int) -> int:
        """A position of Twilio's stream clock, as milliseconds from the answer."""
        return self._stream_started_ms + stream_ms
