"""What the pretend model may do with its turn, and what it knows when it decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from simulator.model.shapes import Json


@dataclass(frozen=True, slots=True)
class Say:
    """Speech (or text, where the response is to be text), as one item."""

    text: str


@dataclass(frozen=True, slots=True)
class CallFunction:
    name: str
    arguments: Mapping[str, Any] | str = ""
    """Text goes out as it is: the way to send broken JSON."""


@dataclass(frozen=True, slots=True)
class CallMcpTool:
    """A tool of an MCP server, which the service calls by itself."""

    server_label: str
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    output: str = ""
    error: Mapping[str, Any] | None = None
    """Of the item, when it fails: `{"type": "tool_execution_error", "message": "…"}`."""
    takes_ms: int = 0


@dataclass(frozen=True, slots=True)
class Fail:
    """`response.done` with status `failed`: `rate_limit_exceeded`, `server_error`, `insufficient_quota`."""

    code: str
    message: str = "The model could not answer."


@dataclass(frozen=True, slots=True)
class CloseSocket:
    """Ends the session; 1006 cuts the connection without a word."""

    code: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SendRaw:
    """Any frame, as it is: what no real server sends, or has only begun to."""

    frame: str


@dataclass(frozen=True, slots=True)
class Hush:
    """Audio in which nothing can be heard, without words."""

    ms: int


@dataclass(frozen=True, slots=True)
class Stall:
    """Nothing more comes of this response, not even its end; it can still be cancelled."""


Part = Say | CallFunction | CallMcpTool | Fail | CloseSocket | SendRaw | Hush | Stall
Reply = tuple[Part, ...]
"""In order. Empty: the response completes with nothing in it."""


Cause = Literal["caller", "asked", "silence"]
"""The caller stopped speaking; the client sent `response.create`; the idle timeout passed."""


@dataclass(frozen=True, slots=True)
class FunctionOutput:
    name: str
    output: str


@dataclass(frozen=True, slots=True)
class Remembered:
    """A message of the conversation, whoever wrote it."""

    role: str
    """OpenAI's: user, assistant or system."""
    text: str


@dataclass(frozen=True, slots=True)
class Turn:
    """Why a response begins, and what is new since the last one."""

    cause: Cause
    caller: str | None
    """What the caller said; None when nothing was said or nothing could be understood."""
    instructions: str
    """The session's."""
    asked: str | None
    """The instructions of this `response.create`."""
    outputs: tuple[FunctionOutput, ...]
    notes: tuple[str, ...]
    """Texts that the client wrote into the conversation."""
    tools: tuple[Json, ...]
    history: tuple[Remembered, ...] = ()
    """Every message that the session holds, in order."""
    known: tuple[FunctionOutput, ...] = ()
    """What functions have returned since the caller's last message, whether it was spoken about or not."""


class Mind(Protocol):
    """Decides what one session answers."""

    problems: list[str]
    """Ways in which the conversation was not what was expected."""

    def reply(self, turn: Turn) -> Reply: ...

    def leftovers(self) -> list[str]:
        """What was expected and never came, once the session is over."""
        ...
