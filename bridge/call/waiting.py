"""A caller who waits hears something, and a model that keeps them waiting too long is given up."""

from __future__ import annotations

from bridge.call.caller_line import CallerLine
from bridge.call.clock import CallClock
from bridge.call.conversation import Conversation
from bridge.call.limits import CallLimits
from bridge.call.lines import Lines
from bridge.call.sessions import Sessions
from bridge.call.tool_calls import ToolCalls

LISTENED_FRAMES = 110


class Waiting:
    def __init__(
        self,
        lines: Lines,
        model: Sessions,
        talk: Conversation,
        tools: ToolCalls,
        line: CallerLine,
        clock: CallClock,
        limits: CallLimits,
    ) -> None:
        self._lines = lines
        self._model = model
        self._talk = talk
        self._tools = tools
        self._line = line
        self._clock = clock
        self._limits = limits
        self._said_for: float | None = None
        """The moment since which the agent was due when a line was said last."""
        self._asked_again_at = 0.0
        """When a model that said nothing was asked once more."""

    def line_due_at(self) -> float | None:
        """When silence has lasted so long that a line from memory is to be said."""
        talk = self._talk
        if talk.due_since is None or talk.playing or talk.caller.speaking or not self._line.connected:
            return None
        if self._tools.any_unfilled and self._model.ready:
            return None
        since = max(talk.due_since, talk.silence_since or 0.0, self._tools.filler_asked_at or 0.0)
        said = self._said_for == talk.due_since
        return since + (self._limits.still_waiting if said else self._limits.kept_waiting)

    def say_line(self) -> None:
        said = self._said_for == self._talk.due_since
        self._said_for = self._talk.due_since
        self._talk.say_line(self._lines.hold if said else self._lines.filler)

    def session_lost(self) -> None:
        """What the caller said into a dead line wants an answer, too."""
        if self._line.connected and not self._talk.caller.untranscribed and self._line.loud(LISTENED_FRAMES):
            self._talk.caller.hear_again()
            self._talk.due()

    # Watchdogs

    def ask_again(self) -> None:
        """Our patience with the model begins anew, the caller's does not."""
        self._asked_again_at = self._clock.now

    def answer_due_by(self) -> float | None:
        """When a model that says nothing is taken to be stuck."""
        due_since = self._talk.due_since
        if (
            due_since is None
            or not self._model.ready
            or self._tools.any_running
            or self._talk.caller.speaking
        ):
            return None
        patience = self._limits.thinking if self._talk.thinking else self._limits.answer
        # A session that has only just come was asked for the answer when it came.
        asked_at = max(self._asked_again_at, self._model.current.opened_at or 0.0)
        return max(due_since, self._tools.filler_asked_at or 0.0, asked_at) + patience

    def response_done_by(self) -> float | None:
        """When a response is taken to be endless."""
        return None if self._talk.response is None else self._talk.response_since + self._limits.response

    @property
    def says_nothing(self) -> bool:
        """The model sends audio in which there is nothing to hear."""
        return self._talk.silent_ms >= self._limits.silent_audio * 1000
