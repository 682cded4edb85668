"""What the agent owes the caller after a break, until either of them has spoken."""

from __future__ import annotations

from bridge.call.past import Past


class Owed:
    def __init__(self, past: Past) -> None:
        self.cut_short = _was_cut(past)
        """The agent was cut by a fault of ours, and has yet to carry on."""
        self.broken_off = bool(past.lines) and not past.moved
        """The line broke while nobody was cut, and the agent has yet to speak up."""
        self.note = past.note
        """What the model is to speak about first, by itself."""

    def settled(self) -> None:
        """Somebody has spoken: whatever broke is behind us."""
        self.cut_short = self.broken_off = False
        self.note = None


def _was_cut(past: Past) -> bool:
    last = past.lines[-1] if past.lines else None
    return last is not None and (
        last.partial or (last.interrupted and bool(last.text) and not past.caller_cut_in)
    )
