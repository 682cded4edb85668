"""What was measured last in each scenario, so that docs/performance.md can be made piece by piece.

All bridges of a scenario are of one run: a ratio never joins two."""

from __future__ import annotations

import datetime as dt

import msgspec
from msgspec import Struct

from bench import page
from bench.bridges import BUILD, ROOT
from bench.figures import Row
from bench.scenarios import EVERY, Scenario

FOLDER = BUILD / "results"


class Kept(Struct, kw_only=True):
    scenario: Scenario
    on: dt.date
    rows: dict[str, Row]


def keep(scenario: Scenario, rows: dict[str, Row]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    kept = Kept(scenario=scenario, on=dt.datetime.now(dt.UTC).date(), rows=rows)
    (FOLDER / f"{scenario.name}.json").write_bytes(msgspec.json.encode(kept))


def write_page() -> None:
    kept = [
        msgspec.json.decode(path.read_bytes(), type=Kept)
        for name in EVERY
        if (path := FOLDER / f"{name}.json").exists()
    ]
    page.write(
        ROOT / "docs/performance.md",
        {one.scenario.name: one.rows for one in kept},
        {one.scenario.name: one.scenario.title for one in kept},
        {one.on for one in kept},
    )
