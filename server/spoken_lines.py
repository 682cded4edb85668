"""What is said when the voice model cannot speak: made where a voice is installed, missed aloud elsewhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import structlog

from lines.built_in import FOLDER, NAMES, missing

MAKING_LIMIT_S = 30.0
MEND = "Run `make lines` in the clone, or build the image anew; until then callers hear tones."

log = structlog.get_logger(__name__)


def make_missing(folder: Path = FOLDER) -> None:
    """In a process of its own, so that the voice takes no memory of this one. Without a voice: a log line."""
    if missing(folder):
        command = [sys.executable, "-m", "lines", str(folder)]
        try:
            # Its output would stand on the first screen.
            subprocess.run(command, capture_output=True, timeout=MAKING_LIMIT_S, check=False)
        except subprocess.TimeoutExpired:
            pass  # what is missing is told below
    tell_missing(folder)


def tell_missing(folder: Path = FOLDER) -> None:
    names = missing(folder)
    if names:
        log.error("lines_not_spoken", lines=names, mend=MEND)


def what_is_there(folder: Path = FOLDER) -> tuple[bool, str]:
    """Whether all lines are there, and how to say so."""
    names = missing(folder)
    if names:
        return False, f"nothing is spoken for {', '.join(names)} in {folder}"
    return True, f"{len(NAMES)} are spoken, in English"
