"""One phone call, from the phone's side: plain synchronous decisions, no clock, no dice, no I/O."""

from __future__ import annotations

from bridge.call.agent import AgentSnapshot
from bridge.call.commands import Command
from bridge.call.events import Event
from bridge.engines.engine import Engine


class Call:
    """What happens on one call. Feed it events and frames with the monotonic time; carry out what it returns.

    Never raises on anything that a peer can send.
    """

    def __init__(self, agent: AgentSnapshot, engine: Engine, *, direction: str, max_call_seconds: int | None = None) -> None: ...

    deadline: float | None
    """Monotonic seconds at which `DeadlinePassed` is due; None: nothing is waited for."""
    ended: bool

    def handle(self, event: Event, now: float) -> list[Command]: ...

    def caller_audio(self, text: str) -> str | None:
        """A frame of the media socket. Returns what to send to the model ('' for nothing: it is kept until the
        session is ready), or None when the frame is not plain media and is to be decoded and handled."""
        ...

    def agent_audio(self, text: str, now: float) -> tuple[str, ...] | None:
        """A frame of the model's socket. Returns the frames for the phone (possibly none), or None when it is not
        audio and is to be handled as `ModelSaid`."""
        ...

    first_audio_pending: bool
    """The frames that `agent_audio` just returned begin a response: call `first_audio_written` once they are out."""

    def first_audio_written(self, now: float) -> None: ...
