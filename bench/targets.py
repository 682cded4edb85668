"""What the product sets out to reach, and what was measured. A miss is said, never hidden."""

from __future__ import annotations

from msgspec import Struct

from bench.figures import Row, calls_within, ratio, times_control
from bench.scenarios import OURS

UNMOVED = 1.2
"""By so much two runs of the same thing differ."""

Rows = dict[str, dict[str, Row]]
"""By scenario, then by bridge."""


class Verdict(Struct, kw_only=True):
    what: str
    measured: float
    first: float
    """Most that is allowed, or least where `at_least`."""
    second: float | None = None
    """The same for later; None: there is one limit."""
    at_least: bool = False

    @property
    def text(self) -> str:
        goal = self.first if self.second is None else self.second
        if self._meets(goal):
            return "met"
        return "first step met" if self.second is not None and self._meets(self.first) else "MISSED"

    def _meets(self, limit: float) -> bool:
        return self.measured >= limit if self.at_least else self.measured <= limit


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
                measured=greeting.last.greeting.p50 / 1000,
                first=5,
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
        if name in of and limits is not None:
            times = ratio(product.cpu_us, of[name].cpu_us) or 0.0
            found.append(
                Verdict(what=f"{what}: CPU, x {shown}", measured=times, first=limits[0], second=limits[1])
            )
    return found


def _features(of: dict[str, Row]) -> list[Verdict]:
    found: list[Verdict] = []
    plain, recording, tools = (of.get(name) for name in OURS)
    if plain and recording:
        times = ratio(recording.cpu_us, plain.cpu_us) or 0
        found.append(Verdict(what="400 calls: CPU while recording, x without", measured=times, first=1.1))
    if plain and tools:
        for way, with_tools, without in (
            ("caller to model", tools.window.up, plain.window.up),
            ("model to caller", tools.window.down, plain.window.down),
        ):
            times = ratio(with_tools.p99, without.p99) or 0
            what = f"400 calls: {way} p99 with tools of 5 s in a tenth, x without"
            found.append(Verdict(what=what, measured=times, first=UNMOVED))
    return found


def _latencies(product: Row | None) -> list[Verdict]:
    if product is None:
        return []
    window, found = product.window, list[Verdict]()
    for way, latency, control in (
        ("caller to model", window.up, window.up_control),
        ("model to caller", window.down, window.down_control),
    ):
        p50, p99 = times_control(latency, control)
        found.append(Verdict(what=f"400 calls: {way} p50, x pass-through", measured=p50 or 0, first=1.2))
        found.append(Verdict(what=f"400 calls: {way} p99, x pass-through", measured=p99 or 0, first=2))
    clear = product.last.clear.p50 / 1000
    found.append(Verdict(what="400 calls: speech_started to clear, ms p50", measured=clear, first=0.4))
    worst = window.up.worst / 1000
    found.append(Verdict(what="400 calls: longest time of one frame, ms", measured=worst, first=5))
    return found


def _nothing_lost(rows: Rows) -> list[Verdict]:
    products = [row for scenario in rows.values() if (row := scenario.get("product")) is not None]
    return [
        Verdict(what="frames lost, doubled or out of order", measured=sum(r.lost for r in products), first=0),
        Verdict(what="model sessions left open", measured=sum(r.sessions_left for r in products), first=0),
    ]
