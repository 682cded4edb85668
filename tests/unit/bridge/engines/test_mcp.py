"""Calls that the service makes by itself: each begins once and ends once, in whatever order it is told."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.call.engine import ModelTrouble, RemoteToolCalled, RemoteToolReturned
from bridge.call.tools import AllowedTools, McpTool
from bridge.engines.openai_realtime.configuration import _tool
from bridge.engines.openai_realtime.mcp import McpCalls
from bridge.engines.openai_realtime.server_events import FunctionCallItem, Item, ResponseData
from tests.unit.simulator.openai_types import CLIENT_EVENTS


def call(error: Any = None, output: str | None = None) -> Item:
    return Item("item_1", "mcp_call", server_label="crm", name="find", output=output, error=error)


CALLED = RemoteToolCalled("item_1", "crm", "find", '{"n": 7}')


def begun() -> McpCalls:
    calls = McpCalls()
    calls.item_added(call())
    calls.item_added(call())  # announced for the response and for the conversation
    assert calls.called("item_1", '{"n": 7}') == [CALLED]
    assert calls.called("item_1", '{"n": 7}') == []
    return calls


def test_a_call_that_went_well() -> None:
    calls = begun()
    calls.call_ended("item_1", ok=True)
    assert calls.item_done(call(output="Ada")) == [RemoteToolReturned("item_1", ok=True, output="Ada")]
    assert calls.item_done(call(output="Ada")) == []
    assert calls.response_done(ResponseData("resp_1")) == ([], False)


def test_a_call_whose_arguments_were_never_told_begins_when_it_ends() -> None:
    calls = McpCalls()
    calls.item_added(call())
    called, returned = calls.item_done(call(output="Ada"))
    assert called == RemoteToolCalled("item_1", "crm", "find", "")
    assert returned == RemoteToolReturned("item_1", ok=True, output="Ada")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"type": "http_error", "code": 503, "message": "…"}, 503),
        ({"type": "protocol_error", "code": -32000, "message": "…"}, None),
        ({"type": "tool_execution_error", "message": "…"}, None),
        ("something", None),
        (None, None),
    ],
)
def test_a_call_that_failed(error: Any, status: int | None) -> None:
    calls = begun()
    calls.call_ended("item_1", ok=False)
    assert calls.item_done(call(error)) == [
        RemoteToolReturned("item_1", ok=False, output="It failed.", status=status)
    ]


def test_a_call_that_never_ended_has_failed_with_its_response() -> None:
    left, goes_on = begun().response_done(ResponseData("resp_1", status="cancelled"))
    assert left == [RemoteToolReturned("item_1", ok=False, output="It failed.")]
    assert not goes_on


def test_the_model_is_asked_to_go_on_where_a_call_was_its_last_word() -> None:
    spoke = [FunctionCallItem("item_1", "mcp_call"), FunctionCallItem("item_2", "message")]
    assert McpCalls().response_done(ResponseData("resp_1", output=spoke[:1]))[1]
    assert not McpCalls().response_done(ResponseData("resp_1", output=spoke))[1]
    assert not McpCalls().response_done(ResponseData("resp_1", status="cancelled", output=spoke[:1]))[1]


def test_a_list_that_failed_names_its_server() -> None:
    calls = McpCalls()
    calls.item_added(Item("item_0", "mcp_list_tools", server_label="crm"))
    [trouble] = calls.listing_failed("item_0")
    assert isinstance(trouble, ModelTrouble) and "crm" in trouble.message


@pytest.mark.parametrize(
    "tool",
    [
        McpTool(server_label="crm", server_url="https://example.com/mcp"),
        McpTool(server_label="crm", server_url="https://example.com/mcp", allowed_tools=[]),
        McpTool(
            server_label="crm",
            server_url="https://example.com/mcp",
            server_description="Customers.",
            authorization="token",
            headers={"X-Tenant": "7"},
            allowed_tools=AllowedTools(read_only=True),
        ),
    ],
)
def test_a_server_is_configured_in_openais_shape(tool: McpTool) -> None:
    sent = _tool(tool)
    session = {"type": "realtime", "tools": [sent]}
    CLIENT_EVENTS["session.update"].model_validate({"type": "session.update", "session": session})
    assert None not in sent.values()
    assert ("allowed_tools" in sent) == (tool.allowed_tools is not None)
