"""A process's figures, read when Prometheus asks."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import asdict
from prometheus_client import CollectorRegistry, ProcessCollector, disable_created_metrics
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.rate_limits import RateLimits
from bridge.runtime.live_calls import LiveCalls
from notify.sender import WebhookSender
from server.health import Health

# A series beside each that nobody asks for.
disable_created_metrics()


class Metrics(Collector):
    def __init__(
        self, live_calls: LiveCalls, webhooks: WebhookSender, rate_limits: RateLimits, health: Health
    ) -> None:
        self._live_calls = live_calls
        self._rate_limits = rate_limits
        self._webhooks = webhooks
        self._health = health
        self.registry = CollectorRegistry()
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    def collect(self) -> Iterator[Metric]:
        calls = self._live_calls
        counted = (calls.counters, self._webhooks.counters, self._rate_limits.counters)
        for name, value in (pair for counters in counted for pair in asdict(counters).items()):
            yield CounterMetricFamily(
                f"callbridge_{name}", f"{name.replace('_', ' ')} since the start", value=value
            )
        yield from calls.measured.collect()
        for name, text, count in (
            ("dropped", "Journal entries that were lost", calls.journal.dropped),
            ("superseded", "Those left out: another process has the call", calls.journal.superseded),
            ("spooled", "Those that went to the disk", calls.journal.spooled),
            ("left_over", "Those written down for processes that are gone", calls.journal.left_over),
        ):
            yield CounterMetricFamily(f"callbridge_journal_{name}", text, value=count)
        yield CounterMetricFamily(
            "callbridge_recordings_failed",
            "Recordings that the disk did not take",
            value=calls.recorder.failures,
        )
        for name, text, number in (
            ("live_calls", "Calls that are held", calls.count),
            ("max_calls", "Calls that are taken at most", calls.max_calls),
            ("spool_bytes", "On the disk, not yet in Postgres", calls.journal.spool_bytes),
            ("draining", "Processes that take no more calls", int(calls.draining)),
            ("event_loop_lag_seconds", "Longest delay of the event loop in ten seconds", self._health.lag_s),
            ("database_away", "1 while Postgres does not answer", int(self._health.database_away)),
            ("process_live_calls", "Calls of one process", calls.count),
            ("process_event_loop_lag_seconds", "The same of one process", self._health.lag_s),
        ):
            yield GaugeMetricFamily(f"callbridge_{name}", text, value=number)
