"""One page of figures for all processes: whichever is asked asks the others, and adds up."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

import httpx
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

PROCESS_PATH = "/metrics/process"
"""The figures of the one process that is asked."""
PROCESS_LIMIT_S = 1.0
"""Prometheus gives up after ten."""
BY_SLOT = ("process_", "callbridge_process_")
"""Families that say something of a process. Those of all the others are added up over the processes."""
WORST = {"callbridge_event_loop_lag_seconds", "callbridge_database_away"}
"""Of these the largest counts."""
COUNTED = {"counter", "histogram"}
"""Types of which a process that is gone takes nothing with it."""

Key = tuple[str, tuple[tuple[str, str], ...]]
"""A sample's name and labels."""
Figures = dict[str, Metric]
"""By the family's name."""


class MetricsPage:
    """`processes`: the addresses of all, by slot; `slot` and `registry` are this one's."""

    def __init__(
        self,
        registry: CollectorRegistry,
        slot: str,
        processes: Mapping[str, str],
        client: httpx.AsyncClient | None = None,
    ) -> None:
        self._registry = registry
        self._slot = slot
        self._processes = {slot: "", **processes}
        self._counted: defaultdict[str, Counted] = defaultdict(Counted)
        self._client = client

    def of_this_process(self) -> bytes:
        return generate_latest(self._registry)

    async def of_all(self) -> bytes:
        slots = list(self._processes)
        found = await asyncio.gather(*(self._figures(slot) for slot in slots))
        page = CollectorRegistry()
        page.register(_Read(self._added_up(dict(zip(slots, found, strict=True)))))
        return generate_latest(page)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def _figures(self, slot: str) -> Figures | None:
        """None: the process does not answer."""
        if slot == self._slot:
            return _read(self.of_this_process())
        if self._client is None:
            self._client = httpx.AsyncClient(trust_env=False, timeout=PROCESS_LIMIT_S)
        try:
            answer = await self._client.get(self._processes[slot] + PROCESS_PATH)
            return _read(answer.raise_for_status().content)
        except (httpx.HTTPError, ValueError):
            return None

    def _added_up(self, found: Mapping[str, Figures | None]) -> Iterable[Metric]:
        up = GaugeMetricFamily("callbridge_process_up", "1 if the process answers", labels=["slot"])
        sums: dict[str, Sum] = {}
        for slot, figures in found.items():
            up.add_metric([slot], int(figures is not None))
            for family in self._counted[slot].with_the_gone(figures):
                sums.setdefault(family.name, Sum(family)).add(family, slot)
        return [up, *(total.metric() for total in sums.values())]


class Counted:
    """What the processes of one slot have counted: a sum that fell when one died would, to Prometheus, be a
    count that began anew, and all that the others have counted would count once more."""

    def __init__(self) -> None:
        self._last: Figures = {}
        self._gone: defaultdict[Key, float] = defaultdict(float)

    def with_the_gone(self, figures: Figures | None) -> Iterator[Metric]:
        before, counters = self._last, {}
        for family in (before if figures is None else figures).values():
            if family.type not in COUNTED or family.name.startswith(BY_SLOT):
                if figures is not None:
                    yield family
                continue
            counters[family.name] = family
            yield self._complete(family, before.get(family.name))
        self._last = counters

    def _complete(self, family: Metric, before: Metric | None) -> Metric:
        last = {} if before is None else {_key(s.name, s.labels): s.value for s in before.samples}
        complete = Metric(family.name, family.documentation, family.type)
        for sample in family.samples:
            key = _key(sample.name, sample.labels)
            if sample.value < last.get(key, 0.0):
                self._gone[key] += last[key]
            complete.add_sample(sample.name, sample.labels, sample.value + self._gone[key])
        return complete


class Sum:
    """One family over all processes."""

    def __init__(self, family: Metric) -> None:
        self._family = family
        self._values: dict[Key, float] = {}

    def add(self, family: Metric, slot: str) -> None:
        by_slot = family.name.startswith(BY_SLOT)
        for sample in family.samples:
            key = _key(sample.name, sample.labels | {"slot": slot} if by_slot else sample.labels)
            so_far = self._values.get(key, 0.0)
            self._values[key] = max(so_far, sample.value) if family.name in WORST else so_far + sample.value

    def metric(self) -> Metric:
        metric = Metric(self._family.name, self._family.documentation, self._family.type)
        for (name, labels), value in self._values.items():
            metric.add_sample(name, dict(labels), value)
        return metric


class _Read(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _read(page: bytes) -> Figures:
    return {family.name: family for family in text_string_to_metric_families(page.decode())}


def _key(name: str, labels: Mapping[str, str]) -> Key:
    return name, tuple(sorted(labels.items()))
