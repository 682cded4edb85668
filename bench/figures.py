"""Several runs of one bridge in one scenario as one row."""

from __future__ import annotations

import statistics

from msgspec import Struct

from bench.load.spec import Latency, Result, Window
from bench.processes import POSTGRES

DISTURBED_US = 5_000
"""On a quiet machine the pass-through's p99 is below 1 ms."""


class Row(Struct, kw_only=True):
    """CPU of the window in which the bridge took least, since what else the machine does only adds to it;
    latencies of the one in which the pass-through was quietest; memory at the end of a run."""

    bridge: str
    cpu_us: float
    """Of the bridge alone, per call-second."""
    postgres_us: float
    caddy_us: float
    rss_kb: float
    load_cpu: float
    window: Window
    last: Result
    runs: list[Result]

    @property
    def disturbed(self) -> bool:
        """Something else used these cores: even the pass-through was slow."""
        return not self.window.up_control.count or self.window.up_control.p99 > DISTURBED_US

    @property
    def lost(self) -> int:
        """Frames, both ways, of all runs."""
        return sum(
            run.caller_frames_lost
            + run.caller_frames_lost_at_start
            + run.caller_frames_lost_at_end
            + run.caller_frames_disordered
            + run.agent_frames_lost
            + run.agent_frames_disordered
            for run in self.runs
        )

    @property
    def frames(self) -> int:
        return sum(run.caller_frames + run.agent_frames for run in self.runs)

    @property
    def sessions_left(self) -> int:
        return sum(run.sessions_left for run in self.runs)

    @property
    def calls_failed(self) -> int:
        return sum(run.calls_failed for run in self.runs)


def row(bridge: str, runs: list[Result]) -> Row:
    windows = [window for run in runs for window in run.windows]
    cheapest = min(windows, key=lambda window: window.cpu_us.get("bridge", 0.0))
    quietest = min(windows, key=lambda window: (not window.up_control.count, window.up_control.p99))
    return Row(
        bridge=bridge,
        cpu_us=cheapest.cpu_us.get("bridge", 0.0),
        postgres_us=cheapest.cpu_us.get(POSTGRES, 0.0),
        caddy_us=cheapest.cpu_us.get("caddy", 0.0),
        rss_kb=statistics.median(run.windows[-1].rss_kb for run in runs),
        load_cpu=max(window.load_cpu for window in windows),
        window=quietest,
        last=next(run for run in runs if quietest in run.windows),
        runs=runs,
    )


def ratio(value: float, to: float) -> float | None:
    return value / to if to else None


def times_control(latency: Latency, control: Latency) -> tuple[float | None, float | None]:
    """p50 and p99; None without samples."""
    if not latency.count or not control.count:
        return None, None
    return ratio(latency.p50, control.p50), ratio(latency.p99, control.p99)


def calls_within(run: Result, limit_ms: float) -> int:
    """The most calls that a growing run carried before p99 passed the limit."""
    carried = 0
    for window in run.windows:
        if not window.up.count or window.up.p99 > limit_ms * 1000:
            break
        carried = round(window.calls)
    return carried
