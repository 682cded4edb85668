"""What the agent owes the caller after a break, until either of them has spoken."""

from __future__ import annotations

from bridge.call.past import Past


class Owed:
    def __init__(self, past: Past) -> None:
        self.cut_short = bool(past.lines) and past.lines[-1].partial
        """The agent was cut by a fault of ours, and has yet to carry on."""
        self.broken_off = bool(past.lines) and not past.moved
        """The line broke while nobody was cut, and the agent has yet to speak up."""
        self.note = past.note
        """What the model is to speak about first, by itself."""

    def settled(self) -> None:
        """Somebody has spoken: whatever broke is behind us."""
        self.cut_short = self.broken_off = False
        self.note = None
