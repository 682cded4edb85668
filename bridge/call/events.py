"""What can happen to a call. Past tense; times are the `now` that `Call.handle` is given with each."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from bridge.call.ending import EndReason


class Prepared(Struct, frozen=True):
    """A place is held for the call: the voice model's first session may be opened."""


class Answered(Struct, frozen=True):
    """The TwiML that answers the call was returned: offsets count from there, the greeting may be asked
    for."""

    seconds_ago: float = 0.0


class StreamStarted(Struct, frozen=True):
    """Twilio's `start`: the caller is on the line, for the first time or again."""

    stream_sid: str


class MarkReturned(Struct, frozen=True):
    """Twilio's `mark`: everything queued before it was played, or thrown away by `clear`."""

    name: str


class DtmfReceived(Struct, frozen=True):
    digit: str


class StreamEnded(Struct, frozen=True):
    """The media socket is gone. `stopped`: Twilio said `stop` first. `silent`: nothing had come for so long
    that we closed it; Twilio may not know."""

    stopped: bool
    silent: bool = False


class BrokenOff(Struct, frozen=True):
    """The process that gave this call away was still hearing the caller, or was to speak, when its media
    stream ended: that is lost."""


class StreamOffered(Struct, frozen=True):
    """Twilio has asked what comes next, and was told to open another media stream."""


class ModelOpened(Struct, frozen=True):
    """The voice model's socket is open; nothing was sent on it yet."""

    session: int = 1
    """As the `OpenModel` that it answers has numbered it; so in all that the model's sockets tell."""


class ModelSaid(Struct, frozen=True):
    """Messages of the voice model that came at once, from the first that `agent_audio` did not take."""

    texts: Sequence[str]
    session: int = 1


class ModelClosed(Struct, frozen=True):
    code: int
    reason: str
    session: int = 1


class ModelUnreachable(Struct, frozen=True):
    """The socket could not be opened. `refused`: trying again will not help (key, quota, model)."""

    refused: bool
    code: str
    message: str
    session: int = 1


class HangUpRequested(Struct, frozen=True):
    """Somebody other than caller and agent wants the call to end: an operator, or the server itself."""

    reason: EndReason = EndReason.OPERATOR_HUNG_UP


class TransferRequested(Struct, frozen=True):
    """An operator wants the caller put through."""

    destination: str


class TransferChecked(Struct, frozen=True):
    """What became of a `CheckTransfer`."""

    destination: str
    refused: str | None
    """Why the caller may not be put through, in words for the agent; None: they may."""


class SayRequested(Struct, frozen=True):
    """An operator wants something said, word for word."""

    text: str
    interrupt: bool = False
    """Now, whatever the agent is saying; otherwise when it has finished."""
    interruptible: bool = True


class MachineDetected(Struct, frozen=True):
    """Twilio's verdict on who has answered a call that we placed."""

    answered_by: str


class ToolReturned(Struct, frozen=True):
    """What became of a `RunTool`."""

    tool_call_id: str
    output: str
    """For the model, also where it failed."""
    ok: bool
    status: int | None
    """Of HTTP; None: there was no answer, or no request."""
    duration_ms: int


class CallOver(Struct, frozen=True):
    """Twilio's status callback says that the call has ended."""


class DeadlinePassed(Struct, frozen=True):
    """The moment that `Call.deadline` named has come."""


Event = (
    Prepared
    | Answered
    | StreamStarted
    | MarkReturned
    | DtmfReceived
    | StreamEnded
    | StreamOffered
    | BrokenOff
    | ModelOpened
    | ModelSaid
    | ModelClosed
    | ModelUnreachable
    | HangUpRequested
    | TransferRequested
    | TransferChecked
    | SayRequested
    | MachineDetected
    | ToolReturned
    | CallOver
    | DeadlinePassed
)
