"""The agent presses keys: tones in its own audio. The model hears of it once they have been heard."""

from __future__ import annotations

import base64

import msgspec
from msgspec import Struct

from bridge.call.clock import CallClock
from bridge.call.commands import Command
from bridge.call.conversation import Conversation
from bridge.call.engine import ToolCalled
from bridge.call.events import ToolReturned
from bridge.call.sessions import Sessions
from bridge.wire.dtmf import MAX_KEYS, is_entry, tones

PRESSED = "The keys were pressed. Wait for what is said to you next."
CUT_OFF = "The line broke; not all of the keys were pressed."
WRONG = f"Nothing was pressed: `digits` is made of 0-9, *, #, A-D and w (half a second), at most {MAX_KEYS}."
NO_ANSWER_SECONDS = 3.0
"""A menu that was answered goes on by itself; where nobody says anything for so long, the agent does."""


class _Arguments(Struct):
    digits: str


class _Pressing(Struct):
    call: ToolCalled
    called_at: float


class AgentKeys:
    """Appends what is to be done to the call's own list of commands."""

    def __init__(self, model: Sessions, talk: Conversation, clock: CallClock, out: list[Command]) -> None:
        self._model = model
        self._talk = talk
        self._clock = clock
        self._out = out
        self._pressing: dict[str, _Pressing] = {}
        self._pressed_at: float | None = None
        """When the last ones had been heard, while nothing was said since."""

    def called(self, event: ToolCalled) -> None:
        self._out.append(self._talk.tool_called(event))
        keys = _keys_in(event.arguments)
        if keys is None:
            self._returned(_Pressing(event, self._clock.now), WRONG, ok=False)
            self._go_on()
        else:
            item_id = self._talk.press_keys(base64.b64encode(tones(keys)).decode())
            self._pressing[item_id] = _Pressing(event, self._clock.now)

    def take_stock(self) -> None:
        """Of the tones whose fate is known by now."""
        for item_id, heard in self._talk.take_pressed().items():
            pressing = self._pressing.pop(item_id, None)
            if pressing is None:
                continue
            self._returned(pressing, PRESSED if heard else CUT_OFF, ok=heard)
            if heard:
                self._pressed_at = self._clock.now
            else:
                self._go_on()

    def answer_due_at(self) -> float | None:
        """When nobody has said anything about the keys for too long."""
        talk, at = self._talk, self._pressed_at
        if at is None or not talk.silent or not self._model.ready:
            return None
        if talk.quiet_since is not None and talk.quiet_since > at:
            return None
        return at + NO_ANSWER_SECONDS

    def go_on(self) -> None:
        self._pressed_at = None
        self._go_on()

    def _go_on(self) -> None:
        self._talk.due()
        self._model.send(self._model.engine.speak(None, purpose="tools"))

    def _returned(self, pressing: _Pressing, output: str, *, ok: bool) -> None:
        duration_ms = round((self._clock.now - pressing.called_at) * 1000)
        call = pressing.call
        returned = ToolReturned(call.tool_call_id, output, ok, None, duration_ms)
        self._talk.tool_returned(call.item_id, call.name, returned)
        self._model.send(self._model.engine.tool_returned(call.tool_call_id, output))


def _keys_in(arguments: str) -> str | None:
    try:
        digits = msgspec.json.decode(arguments, type=_Arguments).digits.replace(" ", "")
    except msgspec.DecodeError:
        return None
    return digits if is_entry(digits) else None
