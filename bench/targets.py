"""What the product sets out to reach, and what was measured. A miss is said, never hidden."""

from __future__ import annotations

from msgspec import Struct

from bench.figures import Row, calls_within, ratio, times_control
from bench.load.spec import Latency
from bench.scenarios import OURS

UNMOVED = 1.2
"""By so much two runs of the same thing differ."""

Rows = dict[str, dict[str, Row]]
"""By scenario, then by bridge."""


class Verdict(Struct, kw_only=True):
    what: str
    measured: float | None
    """None: there was nothing to measure it by."""
    first: float
    """Most that is allowed, or least where `at_least`."""
    second: float | None = None
    """The same for later; None: there is one limit."""
    at_least: bool = False
    disturbed: bool = False
    """Something else used these cores meanwhile."""

    @property
    def text(self) -> str:
        if self.measured is None:
            return "NOT MEASURED"
        said = self._judged(self.measured)
        return f"{said} (disturbed)" if self.disturbed else said

    def _judged(self, measured: float) -> str:
        goal = self.first if self.second is None else self.second
        if self._meets(measured, goal):
            return "met"
        return "first step met" if self.second is not None and self._meets(measured, self.first) else "MISSED"

    def _meets(self, measured: float, limit: float) -> bool:
        return measured >= limit if self.at_least else measured <= limit


def verdicts(rows: Rows) -> list[Verdict]:
    found = [
        *_costs(rows.get("400", {}), "400 calls", (0.62, 0.55), (1.95, 1.75), (75, 40)),
        *_costs(rows.get("tls-300", {}), "300 calls, TLS upstream", (0.65, 0.60), None, (130, 110)),
        *_latencies(rows.get("400", {}).get("product")),
        *_nothing_lost(rows),
    ]
    found += _features(rows.get("features", {}))
    greeting = rows.get("greeting", {}).get("product")
    if greeting is not None:
        found.append(
            Verdict(
                what="greeting, beyond the model's own time, ms p50",
                measured=_ms(greeting.last.greeting),
                first=5,
                disturbed=greeting.disturbed,
            )
        )
    for name, kind, least in (("half-core", "plain", 1000), ("half-core-tls", "TLS", 750)):
        one = rows.get(name, {}).get("product")
        if one is not None:
            what = f"calls per core, {kind} (half a core, doubled)"
            found.append(
                Verdict(what=what, measured=2 * calls_within(one.last, 20), first=least, at_least=True)
            )
    return found


def _costs(
    of: dict[str, Row],
    what: str,
    node: tuple[float, float],
    c: tuple[float, float] | None,
    kb: tuple[float, float],
) -> list[Verdict]:
    product = of.get("product")
    if product is None:
        return []
    found = [Verdict(what=f"{what}: KB per call", measured=product.rss_kb, first=kb[0], second=kb[1])]
    for name, shown, limits in (("node", "Node", node), ("c", "C", c)):
        if limits is not None:
            peer = of.get(name)
            found.append(
                Verdict(
                    what=f"{what}: CPU, x {shown}",
                    measured=ratio(product.cpu_us, peer.cpu_us) if peer and product.cpu_us else None,
                    first=limits[0],
                    second=limits[1],
                    disturbed=product.disturbed or bool(peer and peer.disturbed),
                )
            )
    return found


def _features(of: dict[str, Row]) -> list[Verdict]:
    found: list[Verdict] = []
    plain, recording, tools = (of.get(name) for name in OURS)
    if plain and recording:
        times = ratio(recording.cpu_us, plain.cpu_us) if recording.cpu_us else None
        found.append(
            Verdict(
                what="400 calls: CPU while recording, x without",
                measured=times,
                first=1.1,
                disturbed=plain.disturbed or recording.disturbed,
            )
        )
    if plain and tools:
        for way, with_tools, without in (
            ("caller to model", tools.window.up, plain.window.up),
            ("model to caller", tools.window.down, plain.window.down),
        ):
            times = ratio(with_tools.p99, without.p99) if with_tools.count else None
            what = f"400 calls: {way} p99 with tools of 5 s in a tenth, x without"
            disturbed = plain.disturbed or tools.disturbed
            found.append(Verdict(what=what, measured=times, first=UNMOVED, disturbed=disturbed))
    return found


def _latencies(product: Row | None) -> list[Verdict]:
    if product is None:
        return []
    window, disturbed, found = product.window, product.disturbed, list[Verdict]()

    def limit(what: str, measured: float | None, most: float) -> None:
        found.append(Verdict(what=f"400 calls: {what}", measured=measured, first=most, disturbed=disturbed))

    for way, latency, control in (
        ("caller to model", window.up, window.up_control),
        ("model to caller", window.down, window.down_control),
    ):
        p50, p99 = times_control(latency, control)
        limit(f"{way} p50, x pass-through", p50, 1.2)
        limit(f"{way} p99, x pass-through", p99, 2)
    limit("speech_started to clear, ms p50", _ms(product.last.clear), 0.4)
    worst = window.up.worst / 1000 if window.up.count else None
    of_control = window.up_control.worst / 1000
    limit(f"longest time of one frame, ms (pass-through {of_control:.1f})", worst, 5)
    return found


def _ms(latency: Latency) -> float | None:
    return latency.p50 / 1000 if latency.count else None


def _nothing_lost(rows: Rows) -> list[Verdict]:
    products = [row for scenario in rows.values() if (row := scenario.get("product")) is not None]
    frames = sum(one.frames for one in products)
    found: list[Verdict] = []
    for what, count in (
        ("frames lost, doubled or out of order", sum(one.lost for one in products)),
        ("model sessions left open", sum(one.sessions_left for one in products)),
        ("calls that failed", sum(one.calls_failed for one in products)),
    ):
        found.append(Verdict(what=what, measured=count if frames else None, first=0))
    return found
