from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy import select, text, update

from database.models import Webhook, WebhookDelivery
from database.session import Database
from tests.integration.api.conftest import client_of

Json = dict[str, Any]
URL = "https://example.com/hook"


async def made(client: httpx.AsyncClient, *events: str) -> Json:
    answer = await client.post("/v1/webhooks", json={"url": URL, "events": list(events) or ["*"]})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_the_secret_is_shown_once_and_kept_encrypted(
    client: httpx.AsyncClient, database: Database
) -> None:
    webhook = await made(client, "call.ended", "call.ended", "call.answered")
    assert webhook["secret"].startswith("whsec_")
    assert webhook["events"] == ["call.ended", "call.answered"]
    listed = (await client.get("/v1/webhooks")).json()
    assert listed["items"] == [{name: value for name, value in webhook.items() if name != "secret"}]
    async with database.session() as session:
        stored = await session.scalar(select(Webhook.secret))
    assert webhook["secret"] not in str(stored)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"url": URL, "events": []}, "events"),
        ({"url": URL, "events": ["call.finished"]}, "events"),
        ({"url": "http://example.com/hook", "events": ["*"]}, "url"),
        ({"url": "https://192.168.1.7/hook", "events": ["*"]}, "url"),
        ({"url": "https://[::ffff:127.0.0.1]/hook", "events": ["*"]}, "url"),
        ({"url": "not an address", "events": ["*"]}, "url"),
    ],
)
async def test_what_could_never_work_is_refused_with_the_field(
    client: httpx.AsyncClient, body: Json, field: str
) -> None:
    answer = await client.post("/v1/webhooks", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith(field)


async def test_a_host_that_the_operator_allows_may_be_local_and_plain_http(
    client: httpx.AsyncClient,
) -> None:
    body = {"url": "http://localhost:9000/hook", "events": ["*"]}
    assert (await client.post("/v1/webhooks", json=body)).status_code == 201


async def test_webhooks_need_the_scope_admin(app: Any, client: httpx.AsyncClient) -> None:
    """Whoever may set one up hears of every call."""
    scopes = ["agents:write", "calls:read", "calls:write", "numbers:write"]
    key = (await client.post("/v1/api-keys", json={"name": "a", "scopes": scopes})).json()
    async with client_of(app, key["secret"]) as limited:
        assert (await limited.get("/v1/webhooks")).status_code == 403
        assert (await limited.post("/v1/webhooks", json={"url": URL, "events": ["*"]})).status_code == 403


async def test_a_placed_call_is_on_its_way_to_the_webhook(
    client: httpx.AsyncClient, agent: Json, number: Json
) -> None:
    webhook = await made(client, "call.created")
    call = (await client.post("/v1/calls", json={"agent_id": agent["id"], "to": "+14155550199"})).json()
    [delivery] = (await client.get(f"/v1/webhooks/{webhook['id']}/deliveries")).json()["items"]
    assert delivery["call_id"] == call["id"]
    assert delivery["event_type"] == "call.created"
    assert (delivery["status"], delivery["attempts"], delivery["response_code"]) == ("pending", 0, None)
    assert delivery["next_attempt_at"] is not None


async def test_dead_deliveries_can_be_listed_and_asked_for_again(
    client: httpx.AsyncClient, database: Database, agent: Json, number: Json
) -> None:
    webhook = await made(client)
    for _ in range(2):
        await client.post("/v1/calls", json={"agent_id": agent["id"], "to": "+14155550199"})
    path = f"/v1/webhooks/{webhook['id']}/deliveries"
    newest, *_ = (await client.get(path)).json()["items"]
    async with database.session.begin() as session:
        await session.execute(
            update(WebhookDelivery)
            .where(WebhookDelivery.id == newest["id"])
            .values(status="dead", attempts=12, next_attempt_at=None)
        )
    [dead] = (await client.get(path, params={"status": "dead"})).json()["items"]
    assert dead["id"] == newest["id"]
    answer = await client.post(f"{path}/{dead['id']}/redeliver")
    assert answer.status_code == 200, answer.text
    assert (answer.json()["status"], answer.json()["attempts"]) == ("pending", 0)
    assert (await client.get(path, params={"status": "dead"})).json()["items"] == []
    async with database.session() as session:
        keys = (await session.scalars(text("select dedupe_key from pgqueuer"))).all()
    assert f"{dead['id']}/1" in keys


async def test_a_deleted_webhook_is_gone_with_its_deliveries(
    client: httpx.AsyncClient, agent: Json, number: Json
) -> None:
    webhook = await made(client)
    await client.post("/v1/calls", json={"agent_id": agent["id"], "to": "+14155550199"})
    path = f"/v1/webhooks/{webhook['id']}"
    [delivery, *_] = (await client.get(f"{path}/deliveries")).json()["items"]
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(f"{path}/deliveries")).status_code == 404
    assert (await client.post(f"{path}/deliveries/{delivery['id']}/redeliver")).status_code == 404
    assert (await client.delete(path)).status_code == 404
