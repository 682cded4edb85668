"""What a call that is taken up again has behind it, as another process has written it down."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from bridge.call.engine import ToolRan
from bridge.call.turns import Turn

RESULT_UNKNOWN = (
    "It is not known whether this was done: the connection broke while it ran. It is not tried again by"
    " itself. Tell the caller if it matters, and find out before you call it once more."
)


class PastLine(Struct, frozen=True, kw_only=True):
    item_id: str
    role: str
    text: str
    start_ms: int
    end_ms: int
    interrupted: bool
    partial: bool = False
    """The agent was saying it when it was last written down: nothing after it is known to have been heard."""
    tool: ToolRan | None = None


class Past(Struct, frozen=True, kw_only=True):
    lines: Sequence[PastLine] = ()
    caller_cut_in: bool = False
    """The caller began to speak after the last line did."""
    usage: dict[str, int] = msgspec.field(default_factory=dict[str, int])
    turns: Sequence[Turn] = ()
    answer_to_first_audio_ms: int | None = None
    note: str | None = None
    """What the agent has to be told first, and to tell the caller."""
    moved: bool = False
    """Whoever had the call gave it away at a quiet moment: nothing was cut, nobody need notice."""
