"""MCP as the pretend model speaks of it: each event is checked against OpenAI's own types."""

from __future__ import annotations

from typing import Any

from simulator.model.reply import CallMcpTool, Say
from simulator.model.script import Asked, Script, Step
from simulator.model.settings import ModelBehaviour
from tests.unit.simulator.talk import PHONE, Talk, types

URL = "https://example.com/mcp"
SERVER = {"type": "mcp", "server_label": "crm", "server_url": URL, "require_approval": "never"}
CALL = CallMcpTool("crm", "find_customer", {"name": "Ada"}, output="customer 7", takes_ms=300)
CALLED = [
    "response.output_item.added",
    "conversation.item.added",
    "response.mcp_call_arguments.delta",
    "response.mcp_call_arguments.done",
    "response.mcp_call.in_progress",
]
ENDED = ["response.output_item.done", "conversation.item.done"]


def talk(*steps: Step, tools: list[dict[str, Any]], known: bool = True) -> Talk:
    behaviour = ModelBehaviour(mcp_servers={URL: ("find_customer", "delete_customer")} if known else {})
    return Talk(Script(*steps), behaviour=behaviour, session={**PHONE, "tools": tools})


def test_tools_are_listed_once_when_the_session_gets_them() -> None:
    told = talk(tools=[SERVER | {"allowed_tools": ["find_customer"]}])
    assert types(told.events)[-4:] == [
        "conversation.item.added",
        "mcp_list_tools.in_progress",
        "mcp_list_tools.completed",
        "conversation.item.done",
    ]
    [tool] = told.last("conversation.item.done")["item"]["tools"]
    assert tool["name"] == "find_customer"
    assert types(told.send("session.update", session={"type": "realtime", "tools": [SERVER]})) == [
        "session.updated"
    ]


def test_a_server_that_is_not_there_fails_to_list() -> None:
    told = talk(tools=[SERVER], known=False)
    assert told.last("mcp_list_tools.failed")["item_id"] == told.last("conversation.item.added")["item"]["id"]


def test_a_call_runs_inside_its_response() -> None:
    told = talk(Step(Asked(), CALL, Say("You are customer seven.")), tools=[SERVER])
    told.send("response.create")
    begun = types(told.wait(0.8))
    assert begun == CALLED
    rest = types(told.finish())
    assert rest[:3] == ["response.mcp_call.completed", *ENDED]
    assert rest[-2] == "response.done"
    assert told.all("response.output_item.done")[0]["item"]["output"] == "customer 7"


def test_a_failed_call_says_why_in_its_item() -> None:
    error = {"type": "http_error", "code": 503, "message": "Service Unavailable"}
    told = talk(Step(Asked(), CallMcpTool("crm", "find_customer", error=error)), tools=[SERVER])
    told.send("response.create")
    assert types(told.finish())[5:8] == ["response.mcp_call.failed", *ENDED]
    assert told.last("response.output_item.done")["item"]["error"] == error


def test_a_call_can_be_cancelled() -> None:
    told = talk(Step(Asked(), CALL), tools=[SERVER])
    told.send("response.create")
    told.wait(0.8)
    assert types(told.send("response.cancel"))[:2] == ["response.output_item.done", "response.done"]
