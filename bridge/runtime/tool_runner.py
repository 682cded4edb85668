"""Function tools that run for live calls: a task each, beside the audio and never in its way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from msgspec.structs import replace

from bridge.call.agent import AgentSnapshot
from bridge.call.commands import RunTool
from bridge.call.events import ToolReturned
from bridge.call.tools import FunctionTool, McpTool, Tool, tool_name
from database.secret_box import SecretBox, UnreadableSecret
from database.tool_secrets import opened, opened_mcp
from outgoing.tool_requests import ToolCaller, ToolOutcome, ToolRequests, failed, unsure

log = structlog.get_logger(__name__)


class ToolRunner:
    def __init__(self, requests: ToolRequests, secret_box: SecretBox) -> None:
        self._requests = requests
        self._secret_box = secret_box
        self._tasks: set[asyncio.Task[None]] = set()

    def run(
        self, tool: FunctionTool, caller: ToolCaller, command: RunTool, report: Callable[[ToolReturned], None]
    ) -> None:
        """Returns at once; `report` is called once, whatever happens, be the call over by then or not."""

        async def work() -> None:
            outcome = ToolOutcome(False, None, unsure("the server is stopping"), 0)
            try:
                outcome = await self._outcome(tool, caller, command.arguments)
            finally:
                report(
                    ToolReturned(
                        command.tool_call_id, outcome.output, outcome.ok, outcome.status, outcome.duration_ms
                    )
                )

        task = asyncio.create_task(work(), name=f"tool_{command.tool_call_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def with_secrets(self, agent: AgentSnapshot) -> AgentSnapshot:
        """For the voice model, which calls MCP servers itself; one whose secret is unreadable is left out."""
        tools: list[Tool] = []
        for tool in agent.config.tools:
            try:
                tools.append(opened_mcp(tool, self._secret_box) if isinstance(tool, McpTool) else tool)
            except UnreadableSecret:
                log.error("tool_secret_unreadable", agent_id=agent.agent_id, tool=tool_name(tool))
        return replace(agent, config=replace(agent.config, tools=tools))

    async def stop(self, timeout_s: float) -> None:
        """For so long those that run may finish."""
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=timeout_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    async def _outcome(self, tool: FunctionTool, caller: ToolCaller, arguments: str) -> ToolOutcome:
        try:
            headers = opened(tool, self._secret_box)
        except UnreadableSecret:
            log.error("tool_secret_unreadable", agent_id=caller.agent_id, tool=tool.name)
            return ToolOutcome(False, None, failed("a secret of it cannot be read on this server"), 0)
        try:
            return await self._requests.ask(tool, headers, caller, arguments)
        except Exception as error:
            # Its message may hold what was said.
            log.error("tool_broken", agent_id=caller.agent_id, tool=tool.name, error=type(error).__name__)
            return ToolOutcome(False, None, unsure("something broke on this server"), 0)
