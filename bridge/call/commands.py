"""What a call wants done. Imperative; carried out in order, none of them answers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from msgspec import Struct

from bridge.call.ending import EndReason
from bridge.call.engine import ToolRan


class SendToPhone(Struct, frozen=True):
    """One text frame on the media socket."""

    text: str


class OpenModel(Struct, frozen=True):
    """Open another session of the voice model. `ModelOpened` or `ModelUnreachable` is expected back."""

    session: int
    """Its number: 1 is the call's first."""
    timeout: float
    """Seconds."""


class SendToModel(Struct, frozen=True):
    """One text frame on a socket of the voice model's."""

    text: str
    session: int


class UseModel(Struct, frozen=True):
    """From now on this session hears the caller, and its audio is the agent's."""

    session: int


class CloseModel(Struct, frozen=True):
    """Close the session, or give up opening it; billing for it ends here. No ModelClosed is expected back."""

    session: int


class MoveStream(Struct, frozen=True):
    """Twilio's media socket is gone, or dead: have Twilio open another one, by REST."""


class StreamWorks(Struct, frozen=True):
    """A media stream that was asked for again has carried audio for a while."""


class Record(Struct, frozen=True):
    """A call event for the journal (contract, section 3: *Call event*)."""

    type: str
    offset_ms: int
    data: dict[str, Any]


class SaveLine(Struct, frozen=True):
    """A transcript line, new or changed; the newest one of an `item_id` counts. Empty text removes it."""

    item_id: str
    position: int
    role: str
    text: str
    start_ms: int
    end_ms: int
    interrupted: bool
    partial: bool = False
    """The agent is still saying it: so much has been heard."""
    tool: ToolRan | None = None


class SaveTotals(Struct, frozen=True):
    """`usage` and `latency` of the call so far, in the contract's shape."""

    usage: dict[str, int]
    latency: dict[str, Any]
    cost: Decimal | None = None
    """The voice model's share, US dollars. None: unknown, for want of a price."""
    answered_by: str | None = None
    """Who has answered, in Twilio's words. None: it was not found out."""


class RunTool(Struct, frozen=True):
    """Do what a function tool is for. `ToolReturned` is expected back, once, even after the call's end."""

    tool_call_id: str
    name: str
    arguments: str
    """JSON as the model wrote it; may be broken."""
    line: SaveLine
    """To be durable before the tool is started."""


class CheckTransfer(Struct, frozen=True):
    """May the caller be put through there now? `TransferChecked` is expected back, once."""

    destination: str


class EndCall(Struct, frozen=True):
    """The call is over; comes once, last. The reason is committed, then:

    `caller_gone`: nothing is left to tell Twilio. Otherwise Twilio's REST API gets `Status=completed`, or
    for an ending that wants words, TwiML with them (`bridge.call.ending.APOLOGISE`).
    """

    reason: EndReason
    caller_gone: bool
    error: dict[str, Any] | None = None
    """The voice model's own `{code, message}`, where it was its fault."""
    transfer_to: str | None = None
    """The caller is to be put through to this destination, and the call goes on without an agent. It ends for
    `reason` only if they are reached; otherwise they come back."""
    apologised: bool = False
    """The caller has heard the apology: Twilio need not say it again."""


Command = (
    SendToPhone
    | OpenModel
    | SendToModel
    | UseModel
    | CloseModel
    | MoveStream
    | StreamWorks
    | Record
    | SaveLine
    | SaveTotals
    | RunTool
    | CheckTransfer
    | EndCall
)
