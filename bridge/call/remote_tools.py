"""Tools that the voice model's own service calls (MCP): nothing to do but to write down that it did."""

from __future__ import annotations

import re

from msgspec import Struct

from bridge.call.clock import CallClock
from bridge.call.commands import Command
from bridge.call.conversation import Conversation
from bridge.call.engine import RemoteToolCalled, RemoteToolReturned, ToolCalled
from bridge.call.events import ToolReturned
from bridge.call.past import RESULT_UNKNOWN


class _Running(Struct):
    name: str
    called_at: float


class RemoteTools:
    """Appends what is to be done to the call's own list of commands."""

    def __init__(self, talk: Conversation, clock: CallClock, out: list[Command]) -> None:
        self._talk = talk
        self._clock = clock
        self._out = out
        self._running: dict[str, _Running] = {}

    def called(self, event: RemoteToolCalled) -> None:
        name = f"{event.server}.{event.name}"
        self._running[event.item_id] = _Running(name, self._clock.now)
        # A later session is told of it as of a function, whose names are narrower.
        function = re.sub("[^a-zA-Z0-9_-]", "_", name)[:64]
        self._out.append(
            self._talk.tool_called(ToolCalled(event.item_id, event.item_id, function, event.arguments))
        )
        self._talk.record("tool.called", name=name, tool_call_id=event.item_id)

    def returned(self, event: RemoteToolReturned) -> None:
        running = self._running.pop(event.item_id, None)
        if running is None:
            return
        duration_ms = round((self._clock.now - running.called_at) * 1000)
        outcome = ToolReturned(event.item_id, event.output, event.ok, event.status, duration_ms)
        self._talk.tool_returned(event.item_id, running.name, outcome)

    def model_lost(self) -> None:
        """What it was doing is not known."""
        for item_id in list(self._running):
            self.returned(RemoteToolReturned(item_id, ok=False, output=RESULT_UNKNOWN))
