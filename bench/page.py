"""docs/performance.md: figures, how they came about, what is not known."""

from __future__ import annotations

import datetime as dt
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from bench import fastest_python, tables
from bench.bridges import ROOT
from bench.measure import machine
from bench.targets import Rows

PACKAGES = ("litestar", "uvicorn", "uvloop", "websockets", "picows", "msgspec", "sqlalchemy", "asyncpg")

NOT_YET = "Nothing has been measured of this version yet: `make bench` does it, and writes this page."

HERE = Path(__file__).resolve().parent


def write(path: Path, rows: Rows, titles: Mapping[str, str], days: set[dt.date]) -> None:
    """`titles` and `rows` by scenario; `days`: on which they were measured."""
    when = " and ".join(str(day) for day in sorted(days))
    versions = [f"Python {platform.python_version()}", *_packages(), *_programs()]
    misses, method, unknown = ((HERE / name).read_text() for name in ("misses.md", "method.md", "unknown.md"))
    text = (
        "# Performance\n\n"
        f"{f'Measured by `make bench` on {when}: {machine()}.' if days else NOT_YET}\n"
        "Ratios count; absolute figures are of this machine.\n\n"
        f"## Targets\n\n{tables.targets(rows)}\n\n{misses}"
        f"## Figures\n\n{tables.every(rows, titles)}\n{method}\n"
        f"## Versions\n\n{', '.join(versions)}.\n\n{_pythons()}{unknown}"
    )
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def _pythons() -> str:
    """How much this machine's Pythons differ: it is their build that does it, more than their version."""
    used = platform.python_version()
    pythons = {version: seconds for seconds, version, _ in fastest_python.found()}
    others = [
        f"{version} takes {seconds / pythons[used]:.2f} times as long"
        for version, seconds in pythons.items()
        if used in pythons and version != used
    ]
    if not others:
        return ""
    return (
        "Measured with the fastest Python of this machine; for a loop of plain Python "
        f"{', '.join(others)}.\nThose of Linux distributions and of the official container images are built "
        "with profile-guided\noptimisation, those of version managers usually without: "
        "that is the difference.\n\n"
    )


def _packages() -> list[str]:
    found: list[str] = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return found


def _programs() -> list[str]:
    ws = re.search(r'"ws": "([^"]+)"', (ROOT / "bench/peers/node/package.json").read_text())
    found = [f"ws {ws.group(1)}"] if ws else []
    for name, command in (("Node", ["node", "--version"]), ("gcc", ["gcc", "-dumpfullversion"])):
        if shutil.which(command[0]):
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
            found.append(f"{name} {said.removeprefix('v')}")
    return found
