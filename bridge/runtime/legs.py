"""What a call knows of its two sockets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from bridge.call.caller_line import CallerLine

OnTexts = Callable[[list[str]], None]
"""Takes the messages that came at once."""


Overhear = Callable[[bytes, bytes], object]
"""Takes one of the caller's usual frames: the message, and the base64 in it."""


class Leg(Protocol):
    """An open text socket. What arrives on it goes to the callback it was given."""

    @property
    def dropped(self) -> int:
        """Audio messages that were given up: the peer did not read them in time."""
        ...

    @property
    def malformed(self) -> int:
        """What the peer said that was no text, and was not handed on."""
        ...

    def send(self, text: str) -> None:
        """Never waits, never raises. Goes out with the next `flush`."""
        ...

    def flush(self) -> None:
        """Write what was sent, all at once."""
        ...

    def close(self, code: int = 1000) -> None:
        """Begin to close, after what was sent; whoever reads learns of the end as of any other."""
        ...


class StreamLeg(Leg, Protocol):
    """The phone's: a media stream."""

    def join(self, line: CallerLine, model: Leg | None, *, overhear: Overhear | None = None) -> None:
        """The caller's usual frames may go straight to that leg from now on, and not to the callback; each
        to `overhear` too. None: no more."""
        ...

    @property
    def silent(self) -> bool:
        """It was ended because nothing had come for too long: the other side may not know."""
        ...
