"""What live calls have done for them, as it takes longer than a call may: each errand is a task."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bridge.call.commands import CheckTransfer, EndCall, OpenModel, RunTool
from bridge.call.ending import EndReason
from bridge.call.events import TransferChecked
from bridge.call.tools import FunctionTool
from bridge.runtime.counters import Counters
from bridge.runtime.ending import Endings
from bridge.runtime.entries import line_entry
from bridge.runtime.held import Held
from bridge.runtime.journal import Journal
from bridge.runtime.live_call import LiveCall
from bridge.runtime.model_sessions import ModelSessions
from bridge.runtime.streams import Streams
from bridge.runtime.tool_runner import ToolRunner
from bridge.runtime.transfers import Transfers
from database.calls import Holder
from database.holding import HeldElsewhere
from outgoing.tool_requests import ToolCaller
from telephony.twilio import TwilioRefused, TwilioUnreachable

log = structlog.get_logger(__name__)


class Home(Protocol):
    """Where the calls are held."""

    holder: Holder
    counters: Counters
    journal: Journal

    def let_go(self, call_id: str, attach_number: int) -> bool: ...
    def release(self, held: Held) -> None: ...
    def ended(self, held: Held, reason: EndReason, *, over: bool) -> None: ...


class Errands:
    """The `Deeds` of the calls in `held`."""

    def __init__(
        self,
        home: Home,
        held: Mapping[str, Held],
        *,
        models: ModelSessions,
        streams: Streams,
        tools: ToolRunner,
        transfers: Transfers,
        endings: Endings,
    ) -> None:
        self._home = home
        self._held = held
        self._models = models
        self._streams = streams
        self._tools = tools
        self._transfers = transfers
        self._endings = endings
        self._tasks: set[asyncio.Task[None]] = set()

    async def all_done(self) -> None:
        """Wait until none is under way, those included that are begun meanwhile."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _own(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def open_model(self, live: LiveCall, command: OpenModel) -> None:
        held = self._held[live.call_id]
        name = f"model_{live.call_id}_{command.session}"
        held.sessions[command.session] = self._own(self._models.hold(held, command), name)

    def move_stream(self, live: LiveCall) -> None:
        self._own(self._move_stream(self._held[live.call_id]), f"move_{live.call_id}")

    async def _move_stream(self, held: Held) -> None:
        """Where this does not work, Twilio may still ask by itself; the call waits for a stream so long."""
        self._home.counters.streams_moved += 1
        try:
            held.live.replaced_at = asyncio.get_running_loop().time()
            if not await self._streams.move(held.row_id, self._home.holder.name, held.row):
                held.live.hang_up(EndReason.STREAM_LOST)
        except HeldElsewhere:
            self._home.let_go(held.row_id, held.live.attach_number + 1)
        except (TwilioRefused, TwilioUnreachable, OSError, TimeoutError, SQLAlchemyError) as error:
            log.warning("stream_not_moved", call_id=held.row_id, error=type(error).__name__)

    def run_tool(self, live: LiveCall, command: RunTool) -> None:
        self._own(self._run_tool(self._held[live.call_id], command), f"tool_{command.tool_call_id}")

    async def _run_tool(self, held: Held, command: RunTool) -> None:
        """Once its line is durable: whoever takes the call up later knows that it may have been done."""
        live = held.live
        tools = [tool for tool in held.agent.config.tools if isinstance(tool, FunctionTool)]
        tool = next((tool for tool in tools if tool.name == command.name), None)
        if tool is not None and await self._home.journal.tool_starts(
            line_entry(command.line, live.call_id, attach_number=live.attach_number)
        ):
            caller = ToolCaller(
                agent_id=held.agent.agent_id, call=held.told_to_tools, tool_call_id=command.tool_call_id
            )
            self._tools.run(tool, caller, command, held.live.tool_returned)

    def check_transfer(self, live: LiveCall, command: CheckTransfer) -> None:
        self._own(self._check_transfer(self._held[live.call_id], command), f"transfer_{live.call_id}")

    async def _check_transfer(self, held: Held, command: CheckTransfer) -> None:
        refused = await self._transfers.why_not(held.agent.config, command.destination)
        held.live.take(TransferChecked(command.destination, refused))

    def end_call(self, live: LiveCall, command: EndCall) -> None:
        held = self._held[live.call_id]
        held.stop_waiting()
        self._own(self._end(held, command), f"end_{live.call_id}")

    async def _end(self, held: Held, command: EndCall) -> None:
        try:
            over = await self._endings.carry_out(held, command)
        finally:
            self._home.release(held)
        self._home.ended(held, command.reason, over=over)
