"""The caller presses keys: the agent falls silent, and is told of the whole entry, once."""

from __future__ import annotations

from bridge.call.agent import AgentConfig
from bridge.call.clock import CallClock
from bridge.call.conversation import Conversation
from bridge.call.handover import Handover
from bridge.call.keys import MASK, KeyEntry, told, written
from bridge.call.sessions import Sessions


class CallerKeys:
    def __init__(
        self, agent: AgentConfig, model: Sessions, talk: Conversation, handover: Handover, clock: CallClock
    ) -> None:
        self._agent = agent
        self._model = model
        self._talk = talk
        self._handover = handover
        self._clock = clock
        self._entry = None if agent.keys is None else KeyEntry(agent.keys)
        self._secret = agent.keys is not None and agent.keys.secret
        self._entries = 0
        self._untold: dict[str, str] = {}
        """Entries that nobody was there to be told of, by item."""

    @property
    def deadline(self) -> float | None:
        return None if self._entry is None else self._entry.deadline

    @property
    def begun(self) -> bool:
        """Something is being entered."""
        return self._entry is not None and self._entry.begun

    def pressed(self, key: str) -> None:
        self._talk.quiet_since = self._clock.now
        self._talk.record("dtmf.received", digit=MASK if self._secret else key)
        if self._entry is None:
            return
        if not self._entry.begun:
            self._silence_the_agent()
        self._ended(self._entry.press(key, self._clock.now))

    def timed_out(self) -> None:
        if self._entry is not None:
            self._ended(self._entry.end())

    def tell(self) -> None:
        """What could not be told of before. A history shows what was pressed, but for secrets."""
        if not self._untold or not self._model.ready:
            return
        for item_id, text in self._untold.items():
            self._model.send(self._model.engine.caller_wrote(item_id, text))
        self._untold.clear()
        self._talk.due()
        self._model.send(self._model.engine.speak(None, purpose="keys"))

    def _silence_the_agent(self) -> None:
        """As when the caller begins to speak."""
        if self._agent.turn_detection.interrupt_response and not self._handover.protection.active:
            self._talk.interrupt()
            self._model.send(self._model.engine.stop_speaking())
            self._talk.due_since = None

    def _ended(self, entry: str | None) -> None:
        if entry is None:
            return
        self._entries += 1
        item_id = self._talk.keys_pressed(written(entry, secret=self._secret), self._entries)
        if self._model.ready or self._secret:
            self._untold[item_id] = told(entry)
        else:
            self._talk.due()
        self.tell()
