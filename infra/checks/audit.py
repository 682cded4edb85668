"""Reads what pip-audit found, and makes sure that it could look at all."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def main(report: Path) -> int:
    try:
        packages: list[dict[str, Any]] = json.loads(report.read_text())["dependencies"]
    except (ValueError, KeyError):
        packages = []
    looked_at = [package for package in packages if "skip_reason" not in package]
    holes = [(package, hole) for package in looked_at for hole in package["vulns"]]
    for package, hole in holes:
        mended = ", ".join(hole["fix_versions"]) or "no version yet"
        print(f"wrong  {package['name']} {package['version']}: {hole['id']}, mended in {mended}")
    if holes:
        return 1
    if not looked_at:
        print("SKIPPED: the audit of dependencies, because PyPI's advisories cannot be reached")
        return 0
    for package in packages:
        if "skip_reason" in package:
            print(f"wrong  {package['name']} could not be looked up: {package['skip_reason']}")
    print(f"ok     {len(looked_at)} of {len(packages)} locked packages, no known hole")
    return 0 if len(looked_at) == len(packages) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
