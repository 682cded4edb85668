"""Keeps a call with its voice model: what a session is told when it has the call, first or after another."""

from __future__ import annotations

from bridge.call.agent import AgentConfig
from bridge.call.caller_line import CallerLine
from bridge.call.clock import CallClock
from bridge.call.commands import Command, UseModel
from bridge.call.conversation import Conversation
from bridge.call.engine import Engine
from bridge.call.past import Past
from bridge.call.protection import Protection
from bridge.call.sessions import Session, Sessions
from bridge.call.tool_calls import ToolCalls

CUT_OFF = (
    "The line broke for a moment and cut you off. Carry on from exactly where you were cut off, naturally and"
    " without greeting again; say nothing twice, and call no tool again whose result you have. At most begin"
    " with a short 'Sorry, as I was saying'."
)
AFTER_A_BREAK = (
    "The line broke for a moment. In one short, natural sentence pick the conversation up where it was,"
    " without greeting again; where the caller may have been speaking, ask them to say it once more."
)
UNHEARD_SECONDS = 1.5
"""Without a media stream that could carry a word: the caller may have said something in vain."""
SPEAK_UP_SECONDS = 2.0
"""For them to say it again by themselves."""


class Handover:
    """Appends what is to be done to the call's own list of commands."""

    def __init__(
        self,
        agent: AgentConfig,
        model: Sessions,
        talk: Conversation,
        tools: ToolCalls,
        line: CallerLine,
        clock: CallClock,
        out: list[Command],
        past: Past | None,
    ) -> None:
        self.protection = Protection(
            greeting=agent.greeting is not None and not agent.greeting_interruptible and past is None
        )
        self.greeting_said = False
        """By the model, to its end."""
        self.speak_up_at: float | None = None
        """When the agent speaks up after a break, if nobody does before."""
        self._agent = agent
        self._model = model
        self._talk = talk
        self._tools = tools
        self._line = line
        self._clock = clock
        self._out = out

    def opened(self, session: Session) -> None:
        self._model.opened(session, opening=not self._talk.greeted)

    def open_another(self) -> None:
        self._model.open_another(self._tell_the_state)

    def _tell_the_state(self, engine: Engine) -> None:
        """It is not configured yet: nothing is sent."""
        if self.protection.active:
            engine.forbid_interruption()
        else:
            engine.allow_interruption()
        if self._line.connected:
            engine.stream_started()

    def ready(self, session: Session) -> None:
        """It is configured. One that was opened ahead waits for its moment."""
        session.ready = True
        if session is self._model.current:
            self._talk.record("model.connected", model=self._agent.model)
            self._begin(session)
        elif self._model.lost_at is not None:
            self.take_over()

    def take_over(self) -> None:
        """The session that is coming has the call from now on."""
        if self._model.lost_at is None:
            self._talk.session_lost()
        lost_for = 0.0 if self._model.lost_at is None else self._clock.now - self._model.lost_at
        session = self._model.take_over()
        self._talk.record("model.resumed", model=self._agent.model, lost_for_ms=round(lost_for * 1000))
        self._begin(session)

    def _begin(self, session: Session) -> None:
        history, heard_again = self._talk.recall()
        self._out.append(UseModel(session.number))
        if history:
            self._model.send(session.engine.seed(history))
        self.listen()
        self.speak_if_due(heard_again=heard_again)

    def listen(self) -> None:
        """Let the model hear the caller, once both are there."""
        if self._model.ready and self._line.connected:
            self._model.send(self._line.open())

    def speak_if_due(self, *, heard_again: bool = False) -> None:
        """Ask for what the caller is waiting for, if anything. `heard_again`: the model answers by itself."""
        talk, engine = self._talk, self._model.engine
        if not self._model.ready or self._clock.answered_at is None:
            return
        if self._agent.greeting is not None and not talk.greeted and not talk.caller.spoke:
            talk.due()
            self._model.send(engine.speak(self._agent.greeting, purpose="greeting"))
        elif talk.owed.note is not None:
            talk.due()
            self._model.send(engine.speak(talk.owed.note, purpose="resume"))
        elif heard_again or self._tools.any_running:
            talk.due()
        elif talk.owed.cut_short or talk.owed.broken_off:
            talk.due()
            words = CUT_OFF if talk.owed.cut_short else AFTER_A_BREAK
            self._model.send(engine.speak(words, purpose="resume"))
        elif talk.due_since is not None:
            self._model.send(engine.speak(None, purpose="answer"))

    def broken_off(self) -> None:
        """Something was lost on the way here: the agent speaks up."""
        self._talk.owed.broken_off = True
        self.speak_if_due()

    def stream_back(self) -> None:
        """The caller is on the line, for the first time or again."""
        self._model.send(self._model.engine.stream_started())
        self.listen()
        if self._talk.silent_for() >= UNHEARD_SECONDS and self._talk.due_since is None:
            self._talk.owed.broken_off = True
            self.speak_up_at = self._clock.now + SPEAK_UP_SECONDS

    def speak_up(self) -> None:
        self.speak_up_at = None
        if self._talk.owed.broken_off and self._talk.silent and self._talk.due_since is None:
            self.speak_if_due()

    def end_protection(self) -> None:
        """What was not to be interrupted has been heard."""
        talk, greeting = self._talk, self.protection.greeting
        quiet = talk.response is None and talk.settled
        over = self.protection.is_over(self._clock.now, greeted=talk.greeted, quiet=quiet)
        announced = self._agent.record and self._agent.recording_announcement is not None
        if self.greeting_said and announced and greeting and not self.protection.greeting:
            talk.record("recording.announced")
        if over:
            self._model.send(self._model.engine.allow_interruption())
