from __future__ import annotations

from collections.abc import AsyncGenerator

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from server.metrics_page import MetricsPage


class Process:
    """What one has counted."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.streams = Counter("callbridge_streams", "-", registry=self.registry)
        self.live = Gauge("callbridge_live_calls", "-", registry=self.registry)
        self.lag = Gauge("callbridge_event_loop_lag_seconds", "-", registry=self.registry)
        self.memory = Gauge("process_resident_memory_bytes", "-", registry=self.registry)


class Processes:
    """By port. One that is not there refuses connections."""

    def __init__(self) -> None:
        self.up = {8000: Process(), 8001: Process()}

    async def handle(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/metrics/process"
        if request.url.port not in self.up:
            raise httpx.ConnectError("refused")
        return httpx.Response(200, content=generate_latest(self.up[request.url.port].registry))


@pytest.fixture
def processes() -> Processes:
    return Processes()


@pytest.fixture
async def page(processes: Processes) -> AsyncGenerator[MetricsPage]:
    addresses = {"0": "http://127.0.0.1:8000", "1": "http://127.0.0.1:8001"}
    client = httpx.AsyncClient(transport=httpx.MockTransport(processes.handle))
    page = MetricsPage(processes.up[8000].registry, "0", addresses, client)
    yield page
    await page.close()


async def read(page: MetricsPage) -> dict[str, float]:
    lines = (await page.of_all()).decode().splitlines()
    return {name: float(value) for name, value in (s.rsplit(" ", 1) for s in lines if not s.startswith("#"))}


async def test_what_the_processes_counted_is_added_up(page: MetricsPage, processes: Processes) -> None:
    for port, number in ((8000, 3), (8001, 4)):
        processes.up[port].streams.inc(number)
        processes.up[port].live.set(number)
        processes.up[port].lag.set(number / 1000)
        processes.up[port].memory.set(number * 1e6)
    figures = await read(page)
    assert figures["callbridge_streams_total"] == figures["callbridge_live_calls"] == 7
    assert figures["callbridge_event_loop_lag_seconds"] == 0.004
    assert figures['process_resident_memory_bytes{slot="1"}'] == 4e6
    assert figures['callbridge_process_up{slot="0"}'] == figures['callbridge_process_up{slot="1"}'] == 1


async def test_a_count_never_falls_when_a_process_dies(page: MetricsPage, processes: Processes) -> None:
    """To Prometheus a fall is a new beginning: the sum of all others would be counted once more."""
    processes.up[8000].streams.inc(3)
    dead = processes.up[8001]
    dead.streams.inc(4)
    dead.live.set(4)
    assert (await read(page))["callbridge_streams_total"] == 7
    del processes.up[8001]
    figures = await read(page)
    assert (figures["callbridge_streams_total"], figures["callbridge_live_calls"]) == (7, 0)
    assert figures['callbridge_process_up{slot="1"}'] == 0
    assert 'process_resident_memory_bytes{slot="1"}' not in figures
    processes.up[8001] = Process()
    processes.up[8001].streams.inc(1)
    assert (await read(page))["callbridge_streams_total"] == 8
    assert (await read(page))["callbridge_streams_total"] == 8
