"""Tools as operators write and read them: checked when saved, their secrets never shown again."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy import select

from database.models import AgentVersion
from database.secret_box import SecretBox
from database.session import Database

Json = dict[str, Any]
SECRET = "Bearer a-secret-of-the-operator"


def tool(name: str = "look_up", **fields: Any) -> Json:
    webhook = {"url": "https://example.com/hook", "headers": {"Authorization": SECRET}}
    return {"type": "function", "name": name, "webhook": webhook} | fields


async def made(client: httpx.AsyncClient, *tools: Json) -> Json:
    answer = await client.post("/v1/agents", json={"name": "a", "prompt": "x", "tools": list(tools)})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def changed(client: httpx.AsyncClient, agent: Json, *tools: Json) -> httpx.Response:
    headers = {"If-Match": str(agent["version"])}
    return await client.patch(f"/v1/agents/{agent['id']}", json={"tools": list(tools)}, headers=headers)


async def secret_at_rest(database: Database, agent_id: str, version: int) -> str:
    async with database.session() as session:
        query = select(AgentVersion.config).where(
            AgentVersion.agent_id == agent_id, AgentVersion.version == version
        )
        config = (await session.scalars(query)).one()
    return config["tools"][0]["webhook"]["headers"]["Authorization"]


async def test_a_secret_is_encrypted_and_read_back_as_set(client: httpx.AsyncClient, database: Database):
    agent = await made(client, tool())
    assert agent["tools"][0]["webhook"]["headers"] == {"Authorization": {"set": True}}
    at_rest = await secret_at_rest(database, agent["id"], 1)
    assert SECRET not in at_rest
    assert SecretBox(["a-secret-key-for-tests"]).decrypt(at_rest) == SECRET


async def test_sending_back_what_was_read_keeps_the_secret(client: httpx.AsyncClient, database: Database):
    agent = await made(client, tool())
    same = await changed(client, agent, *agent["tools"])
    assert same.json()["version"] == 1, "nothing changed"
    agent["tools"][0]["description"] = "Looks it up."
    other = await changed(client, agent, *agent["tools"])
    assert other.json()["version"] == 2
    assert await secret_at_rest(database, agent["id"], 2) == await secret_at_rest(database, agent["id"], 1)


async def test_a_new_value_replaces_the_secret(client: httpx.AsyncClient, database: Database):
    agent = await made(client, tool())
    new = tool(webhook={"url": "https://example.com/hook", "headers": {"Authorization": "Bearer other"}})
    assert (await changed(client, agent, new)).status_code == 200
    at_rest = await secret_at_rest(database, agent["id"], 2)
    assert SecretBox(["a-secret-key-for-tests"]).decrypt(at_rest) == "Bearer other"


async def test_a_secret_that_was_never_set_cannot_be_kept(client: httpx.AsyncClient):
    kept = {"url": "https://example.com/hook", "headers": {"Authorization": {"set": True}}}
    agent = await made(client, tool("other"))
    answer = await changed(client, agent, tool("other"), tool("look_up", webhook=kept))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "tools[1].webhook.headers.Authorization"


async def test_a_restored_version_has_its_secrets(client: httpx.AsyncClient, database: Database):
    agent = await made(client, tool())
    await changed(client, agent)
    restored = await client.post(f"/v1/agents/{agent['id']}/versions/1/restore")
    assert restored.json()["tools"][0]["webhook"]["headers"] == {"Authorization": {"set": True}}
    assert await secret_at_rest(database, agent["id"], 3) == await secret_at_rest(database, agent["id"], 1)


@pytest.mark.parametrize(
    ("wrong", "field", "words"),
    [
        (tool("two words"), "tools[0].name", "matching"),
        (tool("end_call"), "tools[0].name", "Callbridge's own"),
        (tool(parameters={"type": "array"}), "tools[0].parameters", '"type": "object"'),
        (
            tool(parameters={"type": "object", "properties": {"a": {"type": "text"}}}),
            "tools[0].parameters",
            "is no JSON Schema",
        ),
        (tool(webhook={"url": "http://example.com"}), "tools[0].webhook.url", "https"),
        (tool(webhook={"url": "https://10.0.0.1/"}), "tools[0].webhook.url", "OUTGOING_ALLOWED_HOSTS"),
        (tool(webhook={"url": "https://169.254.169.254/"}), "tools[0].webhook.url", "public internet"),
        (
            tool(webhook={"url": "https://example.com", "method": "TRACE"}),
            "tools[0].webhook.method",
            "TRACE",
        ),
        (
            tool(webhook={"url": "https://example.com", "timeout_seconds": 61}),
            "tools[0].webhook.timeout_seconds",
            "<= 60",
        ),
        (
            tool(webhook={"url": "https://example.com", "headers": {"Host": "other"}}),
            "tools[0].webhook.headers.Host",
            "leave it out",
        ),
    ],
)
async def test_a_wrong_tool_is_refused_when_it_is_saved(
    client: httpx.AsyncClient, wrong: Json, field: str, words: str
):
    answer = await client.post("/v1/agents", json={"name": "a", "prompt": "x", "tools": [wrong]})
    assert answer.status_code == 422, answer.text
    [error] = answer.json()["errors"]
    assert error["field"] == field
    assert words in error["message"]


async def test_a_header_cannot_smuggle_another_one_in(client: httpx.AsyncClient):
    webhook = {"url": "https://example.com", "headers": {"X-Key": "a\r\nHost: b"}}
    body = {"name": "a", "prompt": "x", "tools": [tool(webhook=webhook)]}
    assert (await client.post("/v1/agents", json=body)).status_code == 422


async def test_tools_have_names_of_their_own(client: httpx.AsyncClient):
    body = {"name": "a", "prompt": "x", "tools": [tool(), tool()]}
    answer = await client.post("/v1/agents", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "tools[1]"


async def test_only_a_tool_that_is_there_can_be_tried(client: httpx.AsyncClient, agent: Json):
    answer = await client.post(f"/v1/agents/{agent['id']}/tools/look_up/test", json={})
    assert answer.status_code == 404


async def test_a_tool_that_cannot_be_reached_says_so(client: httpx.AsyncClient):
    agent = await made(client, tool(webhook={"url": "https://localhost:1/"}))
    answer = await client.post(f"/v1/agents/{agent['id']}/tools/look_up/test", json={})
    assert answer.status_code == 200
    result = answer.json()
    assert (result["ok"], result["status"]) == (False, None)
    assert "could not be reached" in result["output"]


async def test_the_signing_secret_is_for_admins_and_stays_the_same(client: httpx.AsyncClient):
    secret = (await client.get("/v1/tool-signing-secret")).json()["secret"]
    assert secret.startswith("whsec_")
    assert (await client.get("/v1/tool-signing-secret")).json()["secret"] == secret
    key = (await client.post("/v1/api-keys", json={"name": "k", "scopes": ["agents:write"]})).json()["secret"]
    refused = await client.get("/v1/tool-signing-secret", headers={"Authorization": f"Bearer {key}"})
    assert refused.status_code == 403
