"""What a call is not to go beyond: its length, its cost, and the silence of a caller."""

from __future__ import annotations

from decimal import Decimal

from bridge.call.agent import AgentConfig
from bridge.call.caller_line import CallerLine
from bridge.call.clock import CallClock
from bridge.call.conversation import Conversation
from bridge.call.course import Course
from bridge.call.ending import EndReason
from bridge.call.tool_calls import ToolCalls


class Bounds:
    def __init__(
        self,
        agent: AgentConfig,
        max_call_seconds: int | None,
        talk: Conversation,
        tools: ToolCalls,
        line: CallerLine,
        clock: CallClock,
        course: Course,
    ) -> None:
        self._max_seconds = max_call_seconds or agent.max_call_seconds
        self._silent_seconds = agent.caller_silent_seconds
        dollars = agent.max_cost_per_call
        self._max_cost = None if dollars is None else Decimal(dollars)
        self._talk = talk
        self._tools = tools
        self._line = line
        self._clock = clock
        self._course = course

    def over_at(self) -> float | None:
        answered_at = self._clock.answered_at
        return None if answered_at is None else answered_at + self._max_seconds

    def time_over(self) -> None:
        self._course.wind_up(EndReason.MAX_DURATION)

    def silent_at(self) -> float | None:
        """When the caller will have said nothing for too long, although it is for them to speak."""
        talk = self._talk
        if talk.quiet_since is None or not talk.silent or not self._line.connected or self._tools.any_running:
            return None
        return None if talk.due_since is not None else talk.quiet_since + self._silent_seconds

    def caller_silent(self) -> None:
        self._course.wind_up(EndReason.CALLER_SILENT)

    def mind_the_cost(self) -> None:
        cost = None if self._max_cost is None else self._talk.totals.cost()
        if self._max_cost is None or cost is None or cost < self._max_cost:
            return
        if self._course.goes_on:
            self._course.wind_up(EndReason.COST_LIMIT)
