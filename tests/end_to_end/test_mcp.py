"""MCP servers in a call: the model uses them itself, the operator sees that it did."""

from __future__ import annotations

from typing import Any

from structlog.testing import capture_logs

from simulator.model.reply import CallMcpTool, Say
from simulator.model.script import Asked, Heard, Script, Step
from simulator.phones.behaviour import Line
from tests.end_to_end.harness import Harness

URL, TOKEN = "https://example.com/mcp", "a-token-of-the-operators-own-server"
QUESTION = "Who am I?"
SERVER = {
    "type": "mcp",
    "server_label": "crm",
    "server_url": URL,
    "authorization": TOKEN,
    "allowed_tools": ["find_customer"],
}
FAILED = CallMcpTool("crm", "find_customer", error={"type": "http_error", "code": 503, "message": "Away"})
FOUND = CallMcpTool("crm", "find_customer", {"number": 7}, output="Ada", takes_ms=100)


async def events_of(
    callbridge: Harness, row: dict[str, Any], *types: str
) -> list[tuple[str, dict[str, Any]]]:
    found = [event for event in await callbridge.events(row["id"]) if event["type"] in types]
    return [(event["type"], event["data"]) for event in found]


async def call_with(callbridge: Harness, *steps: Step) -> dict[str, Any]:
    callbridge.sim.model.behaviour.mcp_servers = {URL: ("find_customer", "delete_customer")}
    callbridge.sim.model.script(Script(*steps))
    agent_id = await callbridge.agent(tools=[SERVER])
    call = callbridge.dial(await callbridge.number(agent_id), Line(say=QUESTION, delay_ms=200))
    row = await callbridge.ended(call)
    assert callbridge.sim.model.problems == []
    return row | {"heard": call.heard}


async def test_the_model_uses_a_server_and_the_operator_is_told(callbridge: Harness):
    with capture_logs() as logs:
        row = await call_with(callbridge, Step(Heard(QUESTION), FOUND, Say("You are Ada.")))
    assert row["heard"] == ["You are Ada."]
    called, returned = await events_of(callbridge, row, "tool.called", "tool.returned")
    tool_call_id = called[1]["tool_call_id"]
    assert called == ("tool.called", {"name": "crm.find_customer", "tool_call_id": tool_call_id})
    duration_ms = returned[1].pop("duration_ms")
    assert 90 <= duration_ms < 5000
    assert returned[1] == {
        "name": "crm.find_customer",
        "tool_call_id": tool_call_id,
        "ok": True,
        "status": None,
    }
    assert await callbridge.transcript(row["id"]) == [
        ("caller", QUESTION),
        ("tool", f"crm.find_customer: done after {duration_ms} ms"),
        ("agent", "You are Ada."),
    ]
    [session] = callbridge.sim.model.stats.sessions
    [tool] = session.received[0]["session"]["tools"]
    assert tool == SERVER | {"require_approval": "never"}
    assert TOKEN not in str(logs) and "Ada" not in str(logs)
    await callbridge.nothing_is_left()


async def test_the_model_is_asked_to_go_on_when_it_says_nothing_about_a_result(callbridge: Harness):
    """Whether OpenAI's model would by itself is not documented; silence is the worse mistake."""
    row = await call_with(callbridge, Step(Heard(QUESTION), FOUND), Step(Asked(), Say("You are Ada.")))
    assert row["heard"] == ["You are Ada."]


async def test_a_failure_is_recorded_and_the_call_goes_on(callbridge: Harness):
    row = await call_with(callbridge, Step(Heard(QUESTION), FAILED, Say("I cannot see that now.")))
    assert row["heard"] == ["I cannot see that now."]
    [(_, returned)] = await events_of(callbridge, row, "tool.returned")
    assert (returned["ok"], returned["status"]) == (False, 503)
    [_, tool, _] = await callbridge.transcript(row["id"])
    assert tool[1].startswith("crm.find_customer: failed, 503 after")


async def test_a_server_that_is_away_is_recorded_and_the_agent_talks_without_it(callbridge: Harness):
    callbridge.sim.model.script(Script(Step(Heard(QUESTION), Say("I cannot look."))))
    agent_id = await callbridge.agent(tools=[SERVER])
    call = callbridge.dial(await callbridge.number(agent_id), Line(say=QUESTION, delay_ms=200))
    row = await callbridge.ended(call)
    assert call.heard == ["I cannot look."]
    [(_, error)] = await events_of(callbridge, row, "model.error")
    assert error["code"] == "mcp_list_tools_failed" and "crm" in error["message"]
