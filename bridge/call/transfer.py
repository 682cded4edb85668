"""A caller who is put through to somebody else: what became of it, and what the agent is told."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct

from bridge.call.agent import AgentConfig
from bridge.call.tools import Destination, TransferCallTool

State = Literal["dialling", "answered", "connected", "failed"]


class Transfer(Struct, frozen=True):
    """The newest one of a call, as it is kept in its row."""

    destination: str
    """By its name."""
    state: State = "dialling"
    """`answered`: somebody picked up; `connected`: and was talked to, as Twilio says when it is over."""
    status: str | None = None
    """Twilio's `DialCallStatus`, once it is known."""
    back_on: int | None = None
    """The number of the media stream on which the caller is back with the agent."""

    @property
    def reached(self) -> bool:
        return self.state in ("answered", "connected")


def read_transfer(kept: dict[str, Any] | None) -> Transfer | None:
    """As a call's row keeps it."""
    return None if kept is None else msgspec.convert(kept, Transfer)


class Transferring(Struct, frozen=True):
    """A transfer that is wanted, until it is known whether it may be made."""

    destination: str
    tool_call_id: str | None
    """Of the agent's `transfer_call`; None: an operator wants it."""


def destination_in(arguments: str) -> str:
    """The name in what the model wrote; empty where there is none."""
    try:
        return msgspec.json.decode(arguments, type=_Arguments).destination
    except msgspec.DecodeError:
        return ""


class _Arguments(Struct):
    destination: str = ""


def destinations(config: AgentConfig) -> dict[str, Destination]:
    """Whom an agent may put callers through to, by name."""
    tools = [tool for tool in config.tools if isinstance(tool, TransferCallTool)]
    return {destination.name: destination for tool in tools for destination in tool.destinations}


_WHY = {
    "busy": "the line was busy",
    "no-answer": "nobody answered",
    "completed": "they hung up before they were connected",
}


def came_to_nothing(transfer: Transfer) -> str:
    """What the agent is told when the caller is back."""
    why = _WHY.get(transfer.status or "", "they could not be reached")
    return (
        f"The transfer to {transfer.destination} did not happen: {why}. The caller is back on the line with"
        " you. Tell them, and go on."
    )
