"""What a call knows of its two sockets."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from bridge.call.agent_line import AgentLine
from bridge.call.caller_line import CallerLine

OnTexts = Callable[[list[str]], None]
"""Takes the messages that came at once."""


class Overhearing(Protocol):
    """Is told of what goes straight from socket to socket."""

    def heard(self, text: bytes, payload: bytes) -> None:
        """One of the caller's usual frames: the message, and the base64 in it."""
        ...

    def sent(self, text: bytes) -> None:
        """A message to the phone."""
        ...


class Socket(Protocol):
    """A leg's own one, to be written to as long as it is neither paused nor closing: a `SocketLeg`."""

    paused: bool
    closing: bool

    @property
    def write(self) -> Callable[[bytes], object]: ...


class Lines(NamedTuple):
    """Both directions of a call's audio."""

    caller: CallerLine
    agent: AgentLine


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

    def join(self, lines: Lines, model: Leg | None, *, overhears: Overhearing | None = None) -> None:
        """What is usual may go straight between this leg and that one from now on, and not to the callbacks.
        None: no more."""
        ...

    @property
    def silent(self) -> bool:
        """It was ended because nothing had come for too long: the other side may not know."""
        ...
