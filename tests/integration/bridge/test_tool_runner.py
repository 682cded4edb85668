"""Whatever becomes of a tool, its call hears of it, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from aiohttp import web

from bridge.call.commands import RunTool, SaveLine
from bridge.call.events import ToolReturned
from bridge.call.tools import FunctionTool, ToolWebhook
from bridge.runtime.tool_runner import ToolRunner
from database.secret_box import SecretBox
from outgoing.address_guard import AddressGuard
from outgoing.signing_secret import tool_signing_secrets
from outgoing.tool_requests import ToolCaller, ToolRequests
from tests.tool_server import ToolRequest, ToolServer

CALLER = ToolCaller(agent_id="agent_1", call={"id": "call_1"}, tool_call_id="call_x")
LINE = SaveLine("item_t", 0, "tool", "t: running", 0, 0, False)
COMMAND = RunTool("call_x", "t", "{}", LINE)


@pytest.fixture
async def server() -> AsyncGenerator[ToolServer]:
    async with ToolServer() as server:
        yield server


@pytest.fixture
async def runner(server: ToolServer) -> AsyncGenerator[ToolRunner]:
    guard = AddressGuard([server.url.removeprefix("http://")])
    requests = ToolRequests(guard, signing_secrets=tool_signing_secrets(["a-secret-key"]), user_agent="test")
    yield ToolRunner(requests, SecretBox(["a-secret-key"]))
    await requests.close()


def tool(server: ToolServer, **headers: str) -> FunctionTool:
    return FunctionTool(name="t", webhook=ToolWebhook(url=server.url, headers={**headers}))


async def test_a_tool_that_the_end_of_the_server_cuts_off_is_told_to_be_uncertain(
    runner: ToolRunner, server: ToolServer
):
    """It may have been done: nobody is to believe that it was not."""
    asked, told = asyncio.Event(), list[ToolReturned]()

    async def never(_: ToolRequest) -> web.Response:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    server.answers["/"] = never
    runner.run(tool(server), CALLER, COMMAND, told.append)
    await asked.wait()
    await runner.stop(0)
    [returned] = told
    assert (returned.tool_call_id, returned.ok) == ("call_x", False)
    assert "not known" in returned.output


async def test_a_secret_of_a_lost_key_sends_nothing(runner: ToolRunner, server: ToolServer):
    told = list[ToolReturned]()
    sealed = SecretBox(["another-secret-key"]).encrypt("Bearer x")
    runner.run(tool(server, Authorization=sealed), CALLER, COMMAND, told.append)
    await runner.stop(5)
    [returned] = told
    assert not returned.ok
    assert "Nothing was done" in returned.output
    assert server.requests == []


async def test_tools_run_beside_each_other(runner: ToolRunner, server: ToolServer):
    both, told = asyncio.Barrier(2), list[ToolReturned]()

    async def waits_for_the_other(_: ToolRequest) -> web.Response:
        await both.wait()
        return web.Response(text="done")

    server.answers["/"] = waits_for_the_other
    for tool_call_id in ("call_x", "call_y"):
        runner.run(tool(server), CALLER, RunTool(tool_call_id, "t", "{}", LINE), told.append)
    await runner.stop(5)
    assert {returned.tool_call_id for returned in told if returned.ok} == {"call_x", "call_y"}
