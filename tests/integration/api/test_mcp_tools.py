"""MCP servers as operators write and read them: OpenAI's shape, secrets encrypted."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy import select

from bridge.call.agent import AgentConfig, AgentSnapshot
from bridge.call.tools import McpTool
from bridge.runtime.tool_runner import ToolRunner
from database import agents
from database.models import AgentVersion
from database.secret_box import SecretBox
from database.session import Database
from outgoing.address_guard import AddressGuard
from outgoing.tool_requests import ToolRequests

Json = dict[str, Any]
TOKEN, HEADER = "a-token-of-the-operator", "a-header-of-the-operator"


def server(**fields: Any) -> Json:
    return {
        "type": "mcp",
        "server_label": "crm",
        "server_url": "https://example.com/mcp",
        "authorization": TOKEN,
        "headers": {"X-Tenant": HEADER},
        "allowed_tools": ["find_customer"],
    } | fields


async def made(client: httpx.AsyncClient, *tools: Json) -> Json:
    answer = await client.post("/v1/agents", json={"name": "a", "prompt": "x", "tools": list(tools)})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def stored(database: Database, agent_id: str, version: int) -> AgentConfig:
    async with database.session() as session:
        config = await agents.find_version(session, agent_id, version)
    assert config is not None
    return config


async def test_secrets_are_encrypted_and_read_back_as_set(
    client: httpx.AsyncClient, database: Database
) -> None:
    agent = await made(client, server())
    [shown] = agent["tools"]
    assert (shown["authorization"], shown["headers"]) == ({"set": True}, {"X-Tenant": {"set": True}})
    assert (shown["require_approval"], shown["allowed_tools"]) == ("never", ["find_customer"])
    async with database.session() as session:
        row = (await session.scalars(select(AgentVersion.config))).one()
    assert TOKEN not in str(row) and HEADER not in str(row)


async def test_the_model_gets_what_the_operator_sent(client: httpx.AsyncClient, database: Database) -> None:
    agent = await made(client, server())
    agent["tools"][0]["server_description"] = "Customers."
    version = {"If-Match": "1"}
    path = f"/v1/agents/{agent['id']}"
    changed = await client.patch(path, json={"tools": agent["tools"]}, headers=version)
    assert changed.json()["version"] == 2, "what was read can be sent back"
    config = await stored(database, agent["id"], 2)
    requests = ToolRequests(AddressGuard(), signing_secrets=["whsec_c2VjcmV0"], user_agent="test")
    snapshot = AgentSnapshot(agent_id=agent["id"], version=2, config=config)
    opened = ToolRunner(requests, SecretBox(["a-secret-key-for-tests"])).with_secrets(snapshot)
    [tool] = opened.config.tools
    assert isinstance(tool, McpTool)
    assert (tool.authorization, tool.headers) == (TOKEN, {"X-Tenant": HEADER})
    assert config.tools != opened.config.tools, "what is stored stays closed"

    other = ToolRunner(requests, SecretBox(["another-secret-key-by-now"])).with_secrets(snapshot)
    assert other.config.tools == [], "a call goes on without a tool whose secret cannot be read"
    await requests.close()


@pytest.mark.parametrize(
    ("wrong", "field", "words"),
    [
        (server(server_url="http://example.com"), "tools[0].server_url", "https"),
        (server(server_url="https://10.0.0.1/mcp"), "tools[0].server_url", "public internet"),
        (server(server_label="two words"), "tools[0].server_label", "matching"),
        (server(require_approval="always"), "tools[0].require_approval", "always"),
        (server(connector_id="connector_gmail"), "tools[0].connector_id", "not a field"),
        (server(authorization={"set": True}), "tools[0].authorization", "could be kept"),
        (server(headers={"X-A": {"set": True}}), "tools[0].headers.X-A", "could be kept"),
        (server(headers={"X-A": "1", "x-a": "2"}), "tools[0].headers.X-A", "twice"),
        (server(authorization="x" * 4001), "tools[0].authorization", "longer"),
    ],
)
async def test_what_would_not_work_is_refused_when_it_is_saved(
    client: httpx.AsyncClient, wrong: Json, field: str, words: str
) -> None:
    answer = await client.post("/v1/agents", json={"name": "a", "prompt": "x", "tools": [wrong]})
    assert answer.status_code == 422, answer.text
    [error] = answer.json()["errors"]
    assert error["field"] == field
    assert words in error["message"]


async def test_a_label_is_one_of_a_kind(client: httpx.AsyncClient) -> None:
    twice = {"name": "a", "prompt": "x", "tools": [server(), server()]}
    answer = await client.post("/v1/agents", json=twice)
    assert answer.status_code == 422
    assert "crm" in answer.json()["detail"]
