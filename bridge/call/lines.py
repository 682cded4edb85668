"""What is said when the voice model cannot say it: speech that is ready in memory before it is needed."""

from __future__ import annotations

import base64

import msgspec
from msgspec import Struct


class Line(Struct, frozen=True):
    text: str
    payload: str
    """Mu-law, 8 kHz, base64; whole frames of 20 ms."""
    spoken: bool = False
    """It is speech; False: a mere sound."""


def _silence(text: str) -> Line:
    return Line(text, base64.b64encode(b"\xff" * 1600).decode())


class Lines(Struct, frozen=True, kw_only=True):
    """One agent's, in its language. Where nobody has recorded any, they are silence of 200 ms."""

    filler: Line = msgspec.field(default_factory=lambda: _silence("One moment, please."))
    """Said once when the caller is kept waiting."""
    hold: Line = msgspec.field(default_factory=lambda: _silence("I am still here. Just a moment."))
    """Said again and again while the waiting goes on."""
    apology: Line = msgspec.field(
        default_factory=lambda: _silence("I am sorry, something has gone wrong on our side.")
    )
    """Said when it is certain that the agent cannot go on."""
    closing: Line = msgspec.field(default_factory=lambda: _silence("Thank you for calling. Goodbye."))
    """Said when the call must end and the model cannot say why."""
