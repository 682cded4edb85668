"""A call that is about to end: its last words are being spoken, or played."""

from __future__ import annotations

from msgspec import Struct

from bridge.call.ending import EndReason

FAREWELLS = {
    EndReason.MAX_DURATION: (
        "The time for this call is over. Tell the caller so in one short, friendly sentence and say goodbye."
    ),
    EndReason.COST_LIMIT: (
        "This call cannot go on any longer. Tell the caller so in one short, friendly sentence and say"
        " goodbye."
    ),
    EndReason.CALLER_SILENT: (
        "The caller has said nothing for a while. Say in one short, friendly sentence that you are hanging up"
        " and that they may call again."
    ),
}
GOODBYE = "Say a short goodbye to the caller now. The call ends as soon as it has been heard."
PUTTING_THROUGH = "Tell the caller in one short sentence that you are putting them through to {name} now."
KEPT_TALKING = "The caller kept talking, so the call goes on."


class Closing(Struct):
    reason: EndReason
    until: float
    """When the call ends, whatever is still being said."""
    spoken: bool
    """The last words have been asked for and generated; False: they are awaited."""
    tool_call_id: str | None = None
    """The `end_call` that asked for it, while the model has no answer to it."""
    error: dict[str, str] | None = None
    transfer_to: str | None = None
    """The destination that the caller is put through to, rather than hung up on."""
    longest: float | None = None
    """Seconds that the last words may take, where that is more than usual."""
    response_id: str | None = None
    """The response that speaks the last words, where we asked for it."""
