"""What a call waits for, and what is done when the time has come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from bridge.call.agent_keys import AgentKeys
from bridge.call.bounds import Bounds
from bridge.call.caller_keys import CallerKeys
from bridge.call.caller_line import CallerLine
from bridge.call.conversation import Conversation
from bridge.call.course import Course
from bridge.call.diversions import Diversions
from bridge.call.handover import Handover
from bridge.call.media_streams import MediaStreams
from bridge.call.model_failures import ModelFailures
from bridge.call.sessions import Sessions
from bridge.call.tool_calls import ToolCalls
from bridge.call.waiting import Waiting


class Waiters(NamedTuple):
    """Who in a call waits for something."""

    course: Course
    talk: Conversation
    streams: MediaStreams
    model: Sessions
    handover: Handover
    failures: ModelFailures
    bounds: Bounds
    waiting: Waiting
    caller_keys: CallerKeys
    agent_keys: AgentKeys
    diversions: Diversions
    tools: ToolCalls
    line: CallerLine


Wait = tuple[Callable[[Waiters], float | None], Callable[[Waiters], None]]
"""When it is time, in monotonic seconds (None: not waited for), and what then."""

# One table for all calls; the most urgent first.

THE_END: Wait = (lambda of: of.course.ends_at(), lambda of: of.course.end_as_decided())

ALWAYS: Sequence[Wait] = (
    (lambda of: of.talk.clear_until, lambda of: of.talk.clear_took_effect()),
    (lambda of: of.streams.move_at, lambda of: of.streams.move()),
    (lambda of: of.streams.back_by(), lambda of: of.streams.not_back()),
    (lambda of: of.streams.works_at, lambda of: of.streams.works()),
)
"""As long as a caller is there."""

WHILE_IT_GOES_ON: Sequence[Wait] = (
    *ALWAYS,
    (lambda of: of.diversions.answering.due_at(), lambda of: of.diversions.no_beep_came()),
    (lambda of: of.model.ready_by(), lambda of: of.failures.opens_too_slowly()),
    (lambda of: of.model.given_up_at(), lambda of: of.failures.too_late()),
    (lambda of: of.model.retry_due_at(), lambda of: of.handover.open_another()),
    (lambda of: of.model.successor_due_at(), lambda of: of.handover.open_another()),
    (lambda of: of.model.hand_over_by(), lambda of: of.handover.take_over()),
    (lambda of: of.handover.speak_up_at, lambda of: of.handover.speak_up()),
    (lambda of: of.bounds.over_at(), lambda of: of.bounds.time_over()),
    (lambda of: of.bounds.silent_at(), lambda of: of.bounds.caller_silent()),
    (lambda of: of.tools.filler_due_at() if of.line.connected else None, lambda of: of.tools.fill_silence()),
    (lambda of: of.caller_keys.deadline, lambda of: of.caller_keys.timed_out()),
    (lambda of: of.agent_keys.answer_due_at(), lambda of: of.agent_keys.go_on()),
    (lambda of: of.waiting.line_due_at(), lambda of: of.waiting.say_line()),
    (lambda of: of.waiting.answer_due_by(), lambda of: of.failures.answer_overdue()),
    (lambda of: of.waiting.response_done_by(), lambda of: of.failures.response_endless()),
)
"""Until the call winds up."""

CLOSING: Sequence[Wait] = (THE_END, *ALWAYS)
GONE: Sequence[Wait] = (THE_END,)


class Deadlines:
    """One call's."""

    __slots__ = ("_of",)

    def __init__(self, of: Waiters) -> None:
        self._of = of

    def next(self) -> float | None:
        """Monotonic seconds; None: nothing is waited for."""
        of = self._of
        if of.course.ended:
            return None
        return min((at for moment, _ in self._waits() if (at := moment(of)) is not None), default=None)

    def act(self, now: float) -> None:
        """Do the most urgent of what is due."""
        of = self._of
        for moment, action in self._waits():
            at = moment(of)
            if at is not None and now >= at:
                action(of)
                return

    def _waits(self) -> Sequence[Wait]:
        course = self._of.course
        if course.gone is not None:
            return GONE
        if course.closing is not None:
            return CLOSING
        return ALWAYS if course.given_up is not None else WHILE_IT_GOES_ON
