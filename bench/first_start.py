"""How long and how large: a first and a second start from a fresh clone. Only the standard library.

`make measure-start` prints both; ends with 1 when a limit is passed.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

FIRST_LIMIT_S, SECOND_LIMIT_S, SIZE_LIMIT_MB = 90, 3, 400
GIVE_UP_S = 600


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="callbridge-start-") as folder:
        clone = Path(folder) / "callbridge"
        source = Path(__file__).resolve().parent.parent
        subprocess.run(["git", "clone", "-q", str(source), str(clone)], check=True)  # noqa: S607 (git as the person has it)
        first_s = start_once(clone)
        size_mb = megabytes(clone / ".venv") + megabytes(clone / ".callbridge")
        second_s = start_once(clone)
    rows = [
        ("first start, everything installed", first_s, FIRST_LIMIT_S, "s"),
        ("second start", second_s, SECOND_LIMIT_S, "s"),
        (".venv and .callbridge on disk", size_mb, SIZE_LIMIT_MB, "MB"),
    ]
    for name, value, limit, unit in rows:
        print(f"{name:<36} {value:8.1f} {unit:<2}  (limit {limit})")
    return int(any(value > limit for _, value, limit, _ in rows))


def start_once(clone: Path) -> float:
    """Seconds from `make run` until the server says that it is ready; then it is ended."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    began = time.monotonic()
    process = subprocess.Popen(
        ["make", "-s", "run"],  # noqa: S607 (make as the person has it)
        cwd=clone,
        env=os.environ | {"PORT": str(port)},
        start_new_session=True,
    )
    try:
        while not ready(clone):
            if process.poll() is not None or time.monotonic() - began > GIVE_UP_S:
                sys.exit("It did not start; what it said is above.")
            time.sleep(0.02)
        return time.monotonic() - began
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(60)


def ready(clone: Path) -> bool:
    try:
        server = json.loads((clone / ".callbridge/server.json").read_text())
        with urllib.request.urlopen(f"{server['url']}/readyz", timeout=2) as answer:  # noqa: S310 (our own address)
            return answer.status == 200  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] (untyped in the standard library)
    except (OSError, ValueError):
        return False


def megabytes(folder: Path) -> float:
    """As `du` counts: blocks on disk, a file with two names once."""
    seen: set[tuple[int, int]] = set()
    blocks = 0
    for path in [folder, *folder.rglob("*")]:
        try:
            stat = path.lstat()
        except FileNotFoundError:
            continue
        if (stat.st_dev, stat.st_ino) not in seen:
            seen.add((stat.st_dev, stat.st_ino))
            blocks += stat.st_blocks
    return blocks * 512 / 1e6


if __name__ == "__main__":
    sys.exit(main())
