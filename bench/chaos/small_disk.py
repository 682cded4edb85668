"""A disk that can be filled: a few megabytes of memory, mounted where root may do so."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

SIZE = "2m"
_FILLER = "filler"


def mount(folder: Path) -> bool:
    """False: this system does not let us."""
    return _done("mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "tmpfs", str(folder))


def unmount(folder: Path) -> None:
    _done("umount", "--lazy", str(folder))


def fill(folder: Path) -> None:
    with (folder / _FILLER).open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(bytes(65_536))


def empty(folder: Path) -> None:
    (folder / _FILLER).unlink(missing_ok=True)


def _done(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
