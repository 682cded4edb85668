"""What can be measured, and of which bridges."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

ALL = ("product", "node", "c", "bare", "litestar")
NO_C = ("product", "node", "litestar")
"""The relay in C speaks no TLS."""
PRODUCT = ("product",)
OURS = ("product", "recording", "tools")
"""As it is by default; with every call recorded; with a tool of 5 s in every turn of every tenth call."""
TOOL_CALLS_EACH = 10


class Scenario(Struct, frozen=True, kw_only=True):
    name: str
    title: str
    calls: int
    bridges: tuple[str, ...] = ALL
    tls: bool = False
    caddy: bool = False
    quota: float = 0
    """Share of its core that the bridge gets, by a cgroup; 0: all."""
    window_s: float = 8.0
    """Of calls that stay: in 8 s each of them takes one turn."""
    windows: int = 3
    step: int = 0
    calls_per_second: float = 0
    life_s: float = 10.0
    dial_ms: int = 0
    control_calls: int = 8
    repeats: int = 1


STEADY = (
    Scenario(name="100", title="100 calls", calls=100, bridges=("product", "node", "c")),
    Scenario(name="400", title="400 calls", calls=400, repeats=2),
    Scenario(name="800", title="800 calls", calls=800, bridges=("product", "node"), windows=1),
    Scenario(name="tls-100", title="100 calls, TLS upstream", calls=100, bridges=NO_C, tls=True),
    Scenario(
        name="tls-300",
        title="300 calls, TLS upstream",
        calls=300,
        bridges=("product", "node"),
        tls=True,
        repeats=2,
    ),
)
CHURN = Scenario(
    name="churn",
    title="10 calls/s coming and going, each dialled in 400 ms",
    calls=0,
    calls_per_second=10,
    dial_ms=400,
    window_s=24.0,
    bridges=("product", "node"),
)
GREETING = Scenario(
    name="greeting",
    title="2 calls/s: from `start` to the first agent audio",
    calls=0,
    calls_per_second=2,
    life_s=4.0,
    window_s=12.0,
    bridges=("product", "node"),
)
CADDY = Scenario(
    name="caddy",
    title="200 calls, Caddy in front, TLS both ways",
    calls=200,
    bridges=PRODUCT,
    tls=True,
    caddy=True,
)
CAPACITY = tuple(
    Scenario(
        name=name,
        title=f"half a core, {kind} upstream, {step} calls more at a time until p99 passes 20 ms",
        calls=900,
        step=step,
        quota=0.5,
        window_s=4.0,
        windows=1,
        bridges=PRODUCT,
        tls=tls,
    )
    for name, kind, tls, step in (("half-core", "plain", False, 50), ("half-core-tls", "TLS", True, 50))
)
FEATURES = Scenario(
    name="features",
    title="400 calls: as they are, recorded, and with a tool of 5 s in every tenth",
    calls=400,
    bridges=OURS,
)
HOUR = Scenario(
    name="hour",
    title="an hour of 10 calls/s coming and going",
    calls=0,
    calls_per_second=10,
    window_s=3600.0,
    dial_ms=400,
    bridges=PRODUCT,
)
LEAKS = Scenario(
    name="leaks",
    title="a minute of 5 calls/s coming and going",
    calls=0,
    calls_per_second=5,
    life_s=4.0,
    window_s=60.0,
    bridges=PRODUCT,
)

EVERY = {one.name: one for one in (*STEADY, CHURN, GREETING, CADDY, FEATURES, *CAPACITY, HOUR, LEAKS)}
QUICK = ("100", "400", "tls-300", "greeting", "churn")
MAIN = (
    "100",
    "400",
    "800",
    "tls-300",
    "greeting",
    "churn",
    "caddy",
    "features",
    "half-core",
    "half-core-tls",
)
"""Some 22 minutes."""


def hours(minutes: float) -> Scenario:
    """The hour, or as much of it as there is time for."""
    return replace(HOUR, title=f"{minutes:g} minutes of 10 calls/s coming and going", window_s=60 * minutes)
