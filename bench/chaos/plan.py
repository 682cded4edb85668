"""What goes wrong when, from a seed: the same seed, the same plan. Pure."""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec
from msgspec import Struct

LINES = 5
"""Of the caller, in each call."""
FAULT_EACH_LINE = 0.9
"""How often something happens to a call after the caller has begun to speak."""
LATEST_MS = 7_000
"""After that; by then the answer has ended, when nothing is wrong."""


class Kind(Struct, frozen=True):
    name: str
    leg: str
    """model, phone; or everything, for what happens to all calls."""
    weight: int = 0
    fault: str = ""
    """In the simulator's words."""
    seconds: float | None = None
    codes: tuple[int, ...] = (1011,)
    refusals: int = 0
    status: int = 0
    """The model's next connections are refused with it, so many times; 0: they hang."""
    hang_s: float = 0.0


KINDS: tuple[Kind, ...] = (
    Kind("model closes", "model", 6, "close", codes=(1000, 1001, 1011, 1012, 1013)),
    Kind("model cut", "model", 4, "cut"),
    Kind("model reset", "model", 6, "reset"),
    Kind("model black hole", "model", 6, "black_hole", 30.0),
    Kind("model reads slowly", "model", 3, "slow_reader", 2.0),
    Kind("model garbage", "model", 3, "garbage"),
    Kind("model broken frame", "model", 3, "broken_frame"),
    Kind("model response never ends", "model", 3, "stall"),
    Kind("model says nothing", "model", 3, "no_response"),
    Kind("model says silence", "model", 3, "silence"),
    Kind("model session expires", "model", 4, "expire"),
    Kind("model reset, then 429", "model", 3, "reset", refusals=2, status=429),
    Kind("model reset, then 500", "model", 3, "reset", refusals=1, status=500),
    Kind("model reset, then 503", "model", 3, "reset", refusals=2, status=503),
    Kind("model reset, connect hangs", "model", 2, "reset", refusals=1, hang_s=3.0),
    Kind("stream closed", "phone", 6, "close"),
    Kind("stream cut", "phone", 4, "cut"),
    Kind("stream reset", "phone", 6, "reset"),
    Kind("stream black hole", "phone", 6, "black_hole"),
    Kind("stream reads slowly", "phone", 3, "slow_reader", 2.0),
    Kind("stream garbage", "phone", 3, "garbage"),
    Kind("stream broken frame", "phone", 3, "broken_frame"),
    Kind("stream cut, upgrade refused", "phone", 3, "cut", refusals=1),
)
BLACK_HOLES = frozenset({"model black hole", "stream black hole"})

KILLED = Kind("kill -9 of a worker", "everything")
DRAINED = Kind("SIGTERM of a worker", "everything")
DEPLOYED = Kind("SIGTERM of a server, calls moved", "everything")
POSTGRES = Kind("Postgres stopped for a while", "everything")
DISK_FULL = Kind("disk full, Postgres stopped", "everything")
EVERYTHING: tuple[tuple[Kind, float], ...] = (
    (KILLED, 17.0),
    (DRAINED, 47.0),
    (DEPLOYED, 101.0),
    (POSTGRES, 71.0),
    (DISK_FULL, 173.0),
)
"""And after how many seconds each comes again."""
APART_S = 7.0
"""At least, between two of them: each is to be seen by itself."""


class CallFault(Struct, frozen=True):
    kind: Kind
    after_ms: int
    """Since the caller began to say that line."""
    code: int


class PlannedCall(Struct, frozen=True):
    number: int
    tools: tuple[bool, ...]
    """For each of the caller's lines, whether it asks for the tool."""
    faults: tuple[CallFault | None, ...]
    """For each of the caller's lines."""


class WorldFault(Struct, frozen=True):
    kind: Kind
    at_s: float
    slot: int
    seconds: float
    """How long Postgres stays away."""


def call(seed: int, number: int, *, faultless: bool = False, lines: int = LINES) -> PlannedCall:
    chance = random.Random(f"{seed} call {number}")
    tools = tuple(chance.random() < 0.3 for _ in range(lines))
    faults = tuple(None if faultless else _call_fault(chance) for _ in range(lines))
    return PlannedCall(number, tools, faults)


def _call_fault(chance: random.Random) -> CallFault | None:
    [kind] = chance.choices(KINDS, [kind.weight for kind in KINDS])
    after_ms, code = chance.randint(0, LATEST_MS), chance.choice(kind.codes)
    return CallFault(kind, after_ms, code) if chance.random() < FAULT_EACH_LINE else None


def world(seed: int, seconds: float, workers: int, *, only: Sequence[str] = ()) -> list[WorldFault]:
    """What happens to everybody, in order. `only`: kinds by name; none: all of them."""
    chance = random.Random(f"{seed} world")
    planned: list[WorldFault] = []
    for kind, each_s in EVERYTHING:
        at_s = each_s * chance.uniform(0.5, 1.0)
        while at_s < seconds:
            slot, away_s = chance.randrange(workers), chance.uniform(3.0, 9.0)
            if not only or kind.name in only:
                planned.append(WorldFault(kind, at_s, slot, away_s))
            at_s += each_s * chance.uniform(0.8, 1.2)
    planned.sort(key=lambda fault: fault.at_s)
    for number in range(1, len(planned)):
        earliest_s = planned[number - 1].at_s + APART_S
        if planned[number].at_s < earliest_s:
            planned[number] = msgspec.structs.replace(planned[number], at_s=earliest_s)
    return [fault for fault in planned if fault.at_s < seconds]
