"""Faults on both legs, in every process and below them, while simulated callers talk: `make chaos`.

Ends with 1 when a call, a line or a tool went wrong, or a caller heard nothing for too long. A run with the
same `--seed` injects the same faults.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
from pathlib import Path

from bench.chaos import table
from bench.chaos.run import Run
from bench.chaos.stage import Stage

PAGE = Path(__file__).resolve().parents[2] / "docs/reliability.md"


async def chaos(seed: int, seconds: float, phones: int, *, write: bool) -> int:
    print(f"seed {seed}", flush=True)
    async with Stage() as stage:
        outcome = await Run(stage, seed=seed, seconds=seconds, phones=phones).carry_out()
    summary = table.Summary(outcome)
    print(f"{table.latencies(outcome)}\n\n{table.markdown(outcome, summary)}\n")
    for trouble in table.troubles(outcome):
        print(trouble)
    if write:
        table.write(PAGE, outcome, summary)
    return 1 if summary.missed() else 0


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    options.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="of an earlier run")
    options.add_argument("--seconds", type=float, default=480)
    options.add_argument("--phones", type=int, default=16)
    options.add_argument("--write", action="store_true", help="put the table into docs/reliability.md")
    given = options.parse_args()
    return asyncio.run(chaos(given.seed, given.seconds, given.phones, write=given.write))


if __name__ == "__main__":
    sys.exit(main())
