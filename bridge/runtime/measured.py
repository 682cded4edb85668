"""What the calls of a process were like: told by what is written down of them, shown to Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import Counter, Histogram
from prometheus_client.metrics_core import Metric

from bridge.call.ending import EndReason
from database.journal import Entry, EventEntry

TURN_S = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
BRIDGE_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5)
GAP_S = (0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0)


class Measured:
    """Reads each journal entry; for most of them that is a comparison of names."""

    def __init__(self) -> None:
        self.ended = Counter("callbridge_calls_ended", "Calls that ended here", ["reason"], registry=None)
        self.first_audio = _histogram(
            "first_audio_seconds", "From the answer to the first agent audio", TURN_S
        )
        self.response = _histogram(
            "response_seconds", "From the end of the caller's speech to the first agent audio", TURN_S
        )
        self.model = _histogram("model_response_seconds", "The voice model's share of a response", TURN_S)
        self.bridge = _histogram("bridge_response_seconds", "Our own share of a response", BRIDGE_S)
        self.gap = _histogram(
            "gap_seconds", "How long a lost model session or media stream was missed", GAP_S
        )
        self.model_errors = Counter(
            "callbridge_model_errors",
            "Complaints of the voice model, and answers of its that failed",
            registry=None,
        )
        for reason in EndReason:
            self.ended.labels(str(reason))
        self.ended_in_all = 0
        self._heard: set[str] = set()
        """Calls whose first agent audio is out."""

    def before(self, write: Callable[[Entry], None]) -> Callable[[Entry], None]:
        """What reads an entry and then has it written."""

        def read_and_write(entry: Entry) -> None:
            self.read(entry)
            write(entry)

        return read_and_write

    def read(self, entry: Entry) -> None:
        if not isinstance(entry, EventEntry):
            return
        match entry.type:
            case "agent.started_speaking":
                self._spoke(entry)
            case "model.error":
                self.model_errors.inc()
            case "model.resumed" | "stream.resumed":
                self.gap.observe(entry.data.get("lost_for_ms", 0) / 1000)
            case _:
                pass

    def call_ended(self, reason: EndReason) -> None:
        self.ended.labels(str(reason)).inc()
        self.ended_in_all += 1

    def call_left(self, call_id: str) -> None:
        """It has ended, another process has it, or nobody came for it."""
        self._heard.discard(call_id)

    def collect(self) -> Iterator[Metric]:
        histograms = (self.first_audio, self.response, self.model, self.bridge, self.gap)
        for metric in (self.ended, *histograms, self.model_errors):
            yield from metric.collect()

    def _spoke(self, entry: EventEntry) -> None:
        if entry.call_id not in self._heard:
            self._heard.add(entry.call_id)
            self.first_audio.observe(max(0, entry.offset_ms) / 1000)
        for histogram, field in (
            (self.response, "response_ms"),
            (self.model, "model_ms"),
            (self.bridge, "bridge_ms"),
        ):
            if field in entry.data:
                histogram.observe(entry.data[field] / 1000)


def _histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
    return Histogram(f"callbridge_{name}", text, buckets=buckets, registry=None)
