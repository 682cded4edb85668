"""The lines that every agent has: English, spoken once into files. Without the files they are tones."""

from __future__ import annotations

import base64
import functools
import hashlib
from pathlib import Path

from bridge.call.lines import Line, Lines
from bridge.wire.pcmu import FRAME_BYTES
from lines.tones import TONES

FOLDER = Path(__file__).parent / "spoken"
NAMES = Lines.__struct_fields__
VOICE_VERSION = 1
"""Counted up when the same words are to sound different."""
TONE_TEXT = "[tone]"
"""What a transcript says of a line for which there are no words."""


def english(name: str) -> str:
    """The words of a line."""
    line: Line = getattr(Lines(), name)
    return line.text


def path_of(name: str, folder: Path = FOLDER) -> Path:
    """Of the words as much as of the name, so that a file of other words is none."""
    digest = hashlib.sha256(f"{VOICE_VERSION}\n{english(name)}".encode()).hexdigest()[:12]
    return folder / f"{name}-{digest}.ulaw"


def missing(folder: Path = FOLDER) -> list[str]:
    """The lines that nobody has spoken yet."""
    return [name for name in NAMES if not path_of(name, folder).exists()]


@functools.cache
def built_in(folder: Path = FOLDER) -> Lines:
    """Read once in a process: all its calls share them."""
    return Lines(**{name: _line(name, folder) for name in NAMES})


def line_of(text: str, mulaw: bytes) -> Line:
    """Filled up with silence to whole frames."""
    return Line(text, base64.b64encode(mulaw + b"\xff" * (-len(mulaw) % FRAME_BYTES)).decode())


def _line(name: str, folder: Path) -> Line:
    try:
        return line_of(english(name), path_of(name, folder).read_bytes())
    except OSError:
        return line_of(TONE_TEXT, TONES[name]())
