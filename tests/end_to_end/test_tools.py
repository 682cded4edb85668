"""Agents that act: a function of the operator's, behind a webhook, in the middle of a call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import text
from standardwebhooks.webhooks import Webhook
from structlog.testing import capture_logs

from simulator.model.reply import CallFunction, Part, Say
from simulator.model.script import Asked, Heard, Returned, Script, Step
from simulator.phones.behaviour import Line
from tests.end_to_end.harness import CALLER, Harness
from tests.tool_server import ToolRequest, ToolServer

QUESTION = "Where is my order?"
AT_ONCE = Line(say=QUESTION, delay_ms=200)
FILLER = "One moment, I am looking."
PASSWORD = "a-password-of-the-operators-own-server"
PARAMETERS = {"type": "object", "properties": {"order": {"type": "integer"}}, "required": ["order"]}
LOOK_UP = CallFunction("look_up_order", {"order": 7})


@pytest.fixture
async def server() -> AsyncGenerator[ToolServer]:
    async with ToolServer() as server:
        yield server


@pytest.fixture
async def callbridge(database_url: str, tmp_path: Path, server: ToolServer) -> AsyncGenerator[Harness]:
    allowed = server.url.removeprefix("http://")
    async with Harness(database_url, tmp_path, OUTGOING_ALLOWED_HOSTS=allowed) as harness:
        yield harness


def tool(url: str, name: str = "look_up_order", say: str | None = None, **webhook: Any) -> dict[str, Any]:
    return {
        "type": "function",
        "name": name,
        "description": "Finds out where an order is.",
        "parameters": PARAMETERS,
        "webhook": {"url": url, **webhook},
        "say_while_running": say,
    }


def asks(*first: Part) -> Step:
    return Step(Heard(QUESTION), *first)


async def test_the_agent_asks_a_webhook_and_says_what_it_answered(callbridge: Harness, server: ToolServer):
    server.says("/orders", '{"status": "shipped on Monday"}')
    callbridge.sim.model.script(
        Script(
            asks(LOOK_UP),
            Step(Returned("look_up_order", "shipped on Monday"), Say("It was shipped on Monday.")),
        )
    )
    headers = {"Authorization": PASSWORD}
    agent_id = await callbridge.agent(tools=[tool(f"{server.url}/orders", headers=headers)])
    call = callbridge.dial(await callbridge.number(agent_id), AT_ONCE)
    row = await callbridge.ended(call)
    assert callbridge.sim.model.problems == []
    assert call.heard == ["It was shipped on Monday."]

    [request] = server.requests
    assert request.method == "POST"
    assert request.headers["authorization"] == PASSWORD
    call_told = {"id": row["id"], "direction": "inbound", "from": CALLER, "to": row["to"]}
    [tool_call_id] = {request.body["tool_call_id"]}
    assert request.body == {
        "call": call_told,
        "agent_id": agent_id,
        "tool": "look_up_order",
        "tool_call_id": tool_call_id,
        "arguments": {"order": 7},
    }
    assert request.headers["idempotency-key"] == f"{row['id']}_{tool_call_id}"
    secret = (await callbridge.api.get("/v1/tool-signing-secret")).json()["secret"]
    assert Webhook(secret).verify(request.text, request.headers), "by the reference library"

    events = {event["type"]: event["data"] for event in await callbridge.events(row["id"])}
    assert events["tool.called"] == {"name": "look_up_order", "tool_call_id": tool_call_id}
    duration_ms = events["tool.returned"]["duration_ms"]
    assert events["tool.returned"] == {
        "name": "look_up_order",
        "tool_call_id": tool_call_id,
        "ok": True,
        "status": 200,
        "duration_ms": duration_ms,
    }
    assert await callbridge.transcript(row["id"]) == [
        ("caller", QUESTION),
        ("tool", f"look_up_order: done after {duration_ms} ms"),
        ("agent", "It was shipped on Monday."),
    ]
    await callbridge.nothing_is_left()


async def test_two_tools_run_at_the_same_time_and_are_spoken_of_once(callbridge: Harness, server: ToolServer):
    both = asyncio.Barrier(2)

    async def waits_for_the_other(request: ToolRequest) -> web.Response:
        async with asyncio.timeout(5):
            await both.wait()
        return web.Response(text=request.body["tool"])

    server.answers = {"/orders": waits_for_the_other, "/weather": waits_for_the_other}
    callbridge.sim.model.script(
        Script(
            asks(LOOK_UP, CallFunction("weather", {"order": 8})),
            Step(Returned("weather", "weather"), Say("It is on its way, and the sun shines.")),
        )
    )
    tools = [tool(f"{server.url}/orders"), tool(f"{server.url}/weather", "weather")]
    call = callbridge.dial(await callbridge.number(await callbridge.agent(tools=tools)), AT_ONCE)
    row = await callbridge.ended(call)
    assert callbridge.sim.model.problems == []
    assert call.heard == ["It is on its way, and the sun shines."]
    events = [
        event["data"] for event in await callbridge.events(row["id"]) if event["type"] == "tool.returned"
    ]
    assert [event["ok"] for event in events] == [True, True]


async def test_a_slow_tool_is_talked_over_by_agent_and_caller(callbridge: Harness, server: ToolServer):
    """No dead air: the filler is heard, the caller is answered meanwhile, and then comes the result."""
    talked_meanwhile = asyncio.Event()

    async def slow(_: ToolRequest) -> web.Response:
        await talked_meanwhile.wait()
        return web.Response(text="shipped")

    server.answers["/orders"] = slow
    callbridge.sim.model.script(
        Script(
            asks(LOOK_UP),
            Step(Asked(f'"{FILLER}"'), Say(FILLER)),
            Step(Heard("No hurry."), Say("Thank you.")),
            Step(Returned("look_up_order", "shipped"), Say("It was shipped.")),
        )
    )
    agent_id = await callbridge.agent(tools=[tool(f"{server.url}/orders", say=FILLER)])
    call = callbridge.dial(await callbridge.number(agent_id), AT_ONCE, "No hurry.", hangs_up="never")
    await call.wait_for("agent started speaking", count=2)
    talked_meanwhile.set()
    await call.wait_for("agent stopped speaking", count=2)
    call.hang_up()
    await callbridge.ended(call)
    assert callbridge.sim.model.problems == []
    assert " ".join(call.heard) == f"{FILLER} Thank you. It was shipped."
    assert [session.errors for session in callbridge.sim.model.stats.sessions] == [[]]
    await callbridge.nothing_is_left()


@pytest.mark.parametrize(
    ("why", "status", "output"),
    [
        ("it breaks", 500, "its server answered 500"),
        ("it refuses", 404, "no such order"),
        ("it is slow", None, "no answer within 1 s"),
        ("its address is private", None, "not on the public internet"),
        ("its arguments are wrong", None, "'order' is a required property"),
    ],
)
async def test_a_tool_that_fails_is_told_to_the_caller_and_the_call_goes_on(
    callbridge: Harness, server: ToolServer, why: str, status: int | None, output: str
):
    server.says("/broken", "a stack trace", 500)
    server.says("/refuses", "no such order", 404)
    url = {"it breaks": "/broken", "it refuses": "/refuses"}.get(why, "/slow")

    async def never(_: ToolRequest) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    server.answers["/slow"] = never
    arguments = {} if why == "its arguments are wrong" else {"order": 7}
    callbridge.sim.model.script(
        Script(
            asks(CallFunction("look_up_order", arguments)),
            Step(Returned("look_up_order", output), Say("I am sorry, I cannot see that now.")),
            Step(Heard("Thanks anyway."), Say("Good day!")),
        )
    )
    agent_id = await callbridge.agent(tools=[tool(server.url + url, timeout_seconds=1)])
    if why == "its address is private":
        await moved_to_a_private_address(callbridge, agent_id)
    call = callbridge.dial(await callbridge.number(agent_id), AT_ONCE, "Thanks anyway.")
    row = await callbridge.ended(call)
    assert callbridge.sim.model.problems == []
    assert call.heard == ["I am sorry, I cannot see that now.", "Good day!"]
    [returned] = [e["data"] for e in await callbridge.events(row["id"]) if e["type"] == "tool.returned"]
    assert (returned["ok"], returned["status"]) == (False, status)
    assert len(server.requests) == (why not in ("its address is private", "its arguments are wrong"))


async def moved_to_a_private_address(callbridge: Harness, agent_id: str) -> None:
    """As if the host had been allowed when the tool was saved, and is no more."""
    statement = """update agent_versions set config = jsonb_set(
        config, '{tools,0,webhook,url}', '"https://127.0.0.2/orders"') where agent_id = :agent_id"""
    async with callbridge.parts.database.session.begin() as session:
        await session.execute(text(statement), {"agent_id": agent_id})


async def test_a_result_that_comes_after_the_call_is_recorded(callbridge: Harness, server: ToolServer):
    asked, call_over = asyncio.Event(), asyncio.Event()

    async def late(_: ToolRequest) -> web.Response:
        asked.set()
        await call_over.wait()
        return web.Response(text="booked")

    server.answers["/orders"] = late
    callbridge.sim.model.script(Script(asks(LOOK_UP)))
    agent_id = await callbridge.agent(tools=[tool(f"{server.url}/orders")])
    call = callbridge.dial(await callbridge.number(agent_id), AT_ONCE, hangs_up="never")
    await asked.wait()
    call.hang_up()
    row = await callbridge.ended(call)
    assert row["ended_reason"] == "caller_hung_up", "nobody waited for the tool"
    call_over.set()
    live_calls = callbridge.parts.live_calls
    await live_calls._tools.stop(5)
    assert await live_calls.journal.flush(5)
    [returned] = [e["data"] for e in await callbridge.events(row["id"]) if e["type"] == "tool.returned"]
    assert (returned["ok"], returned["status"]) == (True, 200)
    assert "tool" in [role for role, _ in await callbridge.transcript(row["id"])]
    await callbridge.nothing_is_left()


async def test_a_tools_secret_is_seen_by_its_server_and_by_nobody_else(
    callbridge: Harness, server: ToolServer
):
    """Not in the API, not in the logs, not in the database's rows."""
    server.says("/orders", "shipped")
    callbridge.sim.model.script(Script(asks(LOOK_UP), Step(Returned("look_up_order"), Say("Shipped."))))
    mine = tool(f"{server.url}/orders", headers={"X-Key": PASSWORD})
    with capture_logs() as logs:
        agent_id = await callbridge.agent(tools=[mine])
        call = callbridge.dial(await callbridge.number(agent_id), AT_ONCE)
        row = await callbridge.ended(call)
        shown = await callbridge.api.get(f"/v1/agents/{agent_id}")
        versions = await callbridge.api.get(f"/v1/agents/{agent_id}/versions")
    assert server.requests[0].headers["x-key"] == PASSWORD
    assert shown.json()["tools"][0]["webhook"]["headers"] == {"X-Key": {"set": True}}
    events = await callbridge.events(row["id"])
    async with callbridge.parts.database.session() as session:
        stored = (await session.execute(text("select config::text from agent_versions"))).scalars().all()
        audit = (await session.execute(text("select audit_log::text from audit_log"))).scalars().all()
    assert "X-Key" in str(stored)
    for place in (shown.text, versions.text, str(logs), str(events), str(stored), str(audit)):
        assert PASSWORD not in place


async def test_a_tool_can_be_tried_by_hand(callbridge: Harness, server: ToolServer):
    server.says("/orders", "shipped")
    agent_id = await callbridge.agent(tools=[tool(f"{server.url}/orders", method="GET")])
    path = f"/v1/agents/{agent_id}/tools/look_up_order/test"
    answer = (await callbridge.api.post(path, json={"arguments": {"order": 7}})).json()
    assert (answer["ok"], answer["status"], answer["output"]) == (True, 200, "shipped")
    assert server.requests[0].query == {"order": "7"}
    wrong = (await callbridge.api.post(path, json={"arguments": {"order": "seven"}})).json()
    assert (wrong["ok"], wrong["status"]) == (False, None)
    assert "$.order" in wrong["output"]
    assert len(server.requests) == 1, "nothing was sent"
