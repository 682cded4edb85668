"""Whatever is done with an API key is found in the log, with the key and without any value."""

from __future__ import annotations

from typing import Any, get_args

import httpx
from litestar import Litestar

from api.audit import Action
from bridge.call.ending import EndReason
from database import calls
from database.session import Database
from tests.conftest import run_sql
from tests.integration.api.conftest import client_of

Json = dict[str, Any]


LOGGED_AS = {
    "createAgent": "agent.created",
    "changeAgent": "agent.changed",
    "restoreAgentVersion": "agent.restored",
    "deleteAgent": "agent.deleted",
    "testTool": "tool.tested",
    "putAgentLine": "line.changed",
    "putLanguageLine": "line.changed",
    "deleteAgentLine": "line.deleted",
    "deleteLanguageLine": "line.deleted",
    "addPhoneNumber": "number.added",
    "changePhoneNumber": "number.changed",
    "deletePhoneNumber": "number.deleted",
    "placeCall": "call.placed",
    "hangUpCall": "call.hung_up",
    "transferCall": "call.transferred",
    "sayOnCall": "call.said",
    "eraseCall": "call.erased",
    "createApiKey": "key.created",
    "deleteApiKey": "key.deleted",
    "createWebhook": "webhook.created",
    "deleteWebhook": "webhook.deleted",
    "redeliverWebhook": "webhook.redelivered",
    "replaceGuards": "guards.changed",
    "replacePrices": "prices.changed",
}


def test_every_route_that_does_something_has_its_line_in_the_log(app: Litestar) -> None:
    """Whoever adds a route writes its entry (`api.audit.note`), and adds it here and to a story below."""
    assert app.openapi_schema.paths is not None
    deeds = {
        operation.operation_id
        for item in app.openapi_schema.paths.values()
        for operation in (item.post, item.put, item.patch, item.delete)
        if operation is not None
    }
    assert deeds == set(LOGGED_AS)
    assert set(LOGGED_AS.values()) | {"recording.read"} == set(get_args(Action)), (
        "listening is a deed as well"
    )


async def log(client: httpx.AsyncClient, **query: Any) -> list[Json]:
    answer = await client.get("/v1/audit-log", params={"limit": 100} | query)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def test_each_deed_is_logged_with_what_it_was_done_to(
    client: httpx.AsyncClient, database: Database, agent: Json, number: Json
) -> None:
    agent_id, number_id = agent["id"], number["id"]
    changed = {"voice": "marin", "prompt": "Keep this to yourself."}
    await client.patch(f"/v1/agents/{agent_id}", json=changed, headers={"If-Match": "1"})
    await client.post(f"/v1/agents/{agent_id}/versions/1/restore")
    await client.patch(f"/v1/phone-numbers/{number_id}", json={"agent_id": agent_id})
    call_id = (await client.post("/v1/calls", json={"agent_id": agent_id, "to": "+14155550199"})).json()["id"]
    await client.post(f"/v1/calls/{call_id}/hangup")
    await calls.finish(database, call_id, status="canceled", reason=EndReason.CANCELED)
    await client.delete(f"/v1/calls/{call_id}")
    key = (await client.post("/v1/api-keys", json={"name": "k", "scopes": ["admin"]})).json()
    await client.delete(f"/v1/api-keys/{key['id']}")
    webhook = {"url": "https://example.com/hook", "events": ["*"]}
    webhook_id = (await client.post("/v1/webhooks", json=webhook)).json()["id"]
    await client.delete(f"/v1/webhooks/{webhook_id}")
    await client.put("/v1/guards", json={"max_calls_per_day": 9})
    await client.put("/v1/prices", json={"items": []})
    await client.delete(f"/v1/phone-numbers/{number_id}")
    await client.delete(f"/v1/agents/{agent_id}")
    found = [(one["action"], one["object_id"], one["fields"]) for one in reversed(await log(client))]
    assert found == [
        ("agent.created", agent_id, []),
        ("number.added", number_id, []),
        ("agent.changed", agent_id, ["prompt", "voice"]),
        ("agent.restored", agent_id, ["prompt", "voice"]),
        ("number.changed", number_id, ["agent_id"]),
        ("call.placed", call_id, []),
        ("call.hung_up", call_id, []),
        ("call.erased", call_id, []),
        ("key.created", key["id"], []),
        ("key.deleted", key["id"], []),
        ("webhook.created", webhook_id, []),
        ("webhook.deleted", webhook_id, []),
        ("guards.changed", None, ["max_calls_per_day"]),
        ("prices.changed", None, []),
        ("number.deleted", number_id, []),
        ("agent.deleted", agent_id, []),
    ]
    assert changed["prompt"] not in (await client.get("/v1/audit-log")).text


async def test_each_entry_names_the_key(client: httpx.AsyncClient, app: Litestar, agent: Json) -> None:
    key = (await client.post("/v1/api-keys", json={"name": "k", "scopes": ["agents:write"]})).json()
    async with client_of(app, key["secret"]) as colleague:
        made = (await colleague.post("/v1/agents", json={"name": "b", "prompt": "x"})).json()["id"]
        assert (await colleague.get("/v1/audit-log")).status_code == 403
    [by_colleague] = await log(client, object_id=made)
    assert (by_colleague["api_key_id"], by_colleague["api_key_hint"]) == (key["id"], key["hint"])
    [by_admin] = await log(client, object_id=agent["id"], action="agent.created")
    assert (by_admin["api_key_id"], by_admin["api_key_hint"]) == ("admin", "ADMIN_API_KEY")
    assert key["secret"] not in (await client.get("/v1/audit-log")).text


async def test_what_is_refused_is_not_logged(client: httpx.AsyncClient, agent: Json, number: Json) -> None:
    before = await log(client)
    for method, path, body in (
        ("DELETE", f"/v1/agents/{agent['id']}", None),
        ("POST", "/v1/calls", {"agent_id": agent["id"], "to": "+19005551234"}),
        ("PUT", "/v1/guards", {"countries": ["XX"]}),
        ("DELETE", "/v1/api-keys/key_unknown", None),
    ):
        assert (await client.request(method, path, json=body)).status_code >= 400
    assert await log(client) == before


async def test_nothing_is_done_that_cannot_be_logged(
    client: httpx.AsyncClient, database: Database, agent: Json
) -> None:
    """One transaction: a deed without its entry would be one that nobody did."""
    await run_sql(database.url, "alter table audit_log add check (action != 'agent.changed')")
    answer = await client.patch(
        f"/v1/agents/{agent['id']}", json={"voice": "marin"}, headers={"If-Match": "1"}
    )
    assert answer.status_code == 500
    assert (await client.get(f"/v1/agents/{agent['id']}")).json()["version"] == 1
