"""The tools that run for a call: the caller is kept company, the model told, and asked to go on, once."""

from __future__ import annotations

from msgspec import Struct

from bridge.call.agent import AgentConfig
from bridge.call.clock import CallClock
from bridge.call.commands import Command, RunTool
from bridge.call.conversation import Conversation
from bridge.call.engine import ToolCalled
from bridge.call.events import ToolReturned
from bridge.call.limits import CallLimits
from bridge.call.sessions import Sessions
from bridge.call.tools import FunctionTool

MAX_RUNNING = 16


class _Running(Struct):
    tool: FunctionTool
    item_id: str
    response_id: str | None
    """Of the response that called it: all tools that it called are answered before the model goes on."""
    called_at: float
    filled: bool = False
    """Its `say_while_running` has been asked for."""


class ToolCalls:
    """Appends what is to be done to the call's own list of commands."""

    def __init__(
        self,
        agent: AgentConfig,
        model: Sessions,
        talk: Conversation,
        clock: CallClock,
        out: list[Command],
        limits: CallLimits,
    ) -> None:
        self._tools = {tool.name: tool for tool in agent.tools if isinstance(tool, FunctionTool)}
        self._running: dict[str, _Running] = {}
        self._model = model
        self._talk = talk
        self._clock = clock
        self._out = out
        self._limits = limits

        self.filler_asked_at: float | None = None

    @property
    def any_unfilled(self) -> bool:
        """The model is yet to be asked to say something about one that runs."""
        return self._unfilled() is not None

    @property
    def any_running(self) -> bool:
        return bool(self._running)

    def called(self, event: ToolCalled) -> None:
        """The model listens on while the tool runs."""
        response_id = self._talk.response
        tool = self._tools.get(event.name)
        if event.tool_call_id in self._running:
            return
        if tool is None:
            self._answer(event.tool_call_id, f"There is no tool named {event.name!r}.")
            self._go_on(response_id)
        elif len(self._running) >= MAX_RUNNING:
            self._answer(event.tool_call_id, "It was not called: too many tools are running already.")
            self._go_on(response_id)
        else:
            self._running[event.tool_call_id] = _Running(tool, event.item_id, response_id, self._clock.now)
            line = self._talk.tool_called(event)
            self._out.append(RunTool(event.tool_call_id, event.name, event.arguments, line))

    def returned(self, event: ToolReturned, *, listens: bool, goes_on: bool) -> None:
        """`listens`: the model is there to be told. `goes_on`: it may speak about it, too."""
        running = self._running.pop(event.tool_call_id, None)
        if running is None:
            return
        self._talk.tool_returned(running.item_id, running.tool.name, event)
        if listens:
            self._answer(event.tool_call_id, event.output)
        if goes_on:
            self._go_on(running.response_id)

    def _answer(self, tool_call_id: str, output: str) -> None:
        self._model.send(self._model.engine.tool_returned(tool_call_id, output))

    def _go_on(self, response_id: str | None) -> None:
        if all(running.response_id != response_id for running in self._running.values()):
            self._talk.due()
            self._model.send(self._model.engine.speak(None, purpose="tools"))

    # While they run

    def filler_due_at(self) -> float | None:
        """When silence has lasted so long that it is to be filled; None: nothing is to be said."""
        talk, kept = self._talk, self._unfilled()
        if kept is None or not self._model.ready or not talk.silent or talk.silence_since is None:
            return None
        return max(kept.called_at, talk.silence_since) + self._limits.filler

    def fill_silence(self) -> None:
        kept = self._unfilled()
        if kept is not None:
            kept.filled = True
            self.filler_asked_at = self._clock.now
            self._model.send(self._model.engine.speak(kept.tool.say_while_running, purpose="filler"))

    def _unfilled(self) -> _Running | None:
        """The one that was called first."""
        wanted = (one for one in self._running.values() if one.tool.say_while_running and not one.filled)
        return next(wanted, None)
