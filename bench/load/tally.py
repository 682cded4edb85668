"""What was seen: latencies while a window is open, counts always."""

from __future__ import annotations

from array import array

from msgspec import Struct

from bench.load.spec import Latency


class Samples:
    """Nanoseconds."""

    def __init__(self) -> None:
        self._values = array("q")

    def add(self, nanoseconds: int) -> None:
        self._values.append(nanoseconds)

    def summary(self) -> Latency:
        values = sorted(self._values)
        if not values:
            return Latency()
        last = len(values) - 1
        p50, p99 = values[last // 2], values[min(last, int(len(values) * 0.99))]
        return Latency(count=len(values), p50=p50 / 1000, p99=p99 / 1000, worst=values[-1] / 1000)

    def reset(self) -> None:
        self._values = array("q")


class Tally:
    """Of the calls through the bridge, or of those through the pass-through."""

    def __init__(self) -> None:
        self.up, self.down = Samples(), Samples()
        self.clear, self.greeting, self.twiml = Samples(), Samples(), Samples()
        self.measuring = False
        self.counts = Counts()

    def open_window(self) -> None:
        self.up.reset()
        self.down.reset()
        self.measuring = True

    def close_window(self) -> None:
        self.measuring = False


class Counts(Struct, kw_only=True):
    calls_made: int = 0
    calls_failed: int = 0
    clears_missing: int = 0
    caller_frames: int = 0
    caller_frames_lost: int = 0
    caller_frames_lost_at_start: int = 0
    caller_frames_lost_at_end: int = 0
    caller_frames_disordered: int = 0
    agent_frames: int = 0
    agent_frames_lost: int = 0
    agent_frames_disordered: int = 0
