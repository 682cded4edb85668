from __future__ import annotations

import hashlib
from typing import Any

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import select, text

from database.models import ApiKey
from database.session import Database
from tests.integration.api.conftest import client_of

Json = dict[str, Any]

ROUTES = [
    ("GET", "/v1/agents", "agents:read"),
    ("POST", "/v1/agents", "agents:write"),
    ("GET", "/v1/phone-numbers", "numbers:read"),
    ("GET", "/v1/phone-numbers/available", "numbers:read"),
    ("POST", "/v1/phone-numbers", "numbers:write"),
    ("GET", "/v1/calls", "calls:read"),
    ("GET", "/v1/calls/x/events", "calls:read"),
    ("POST", "/v1/calls", "calls:write"),
    ("POST", "/v1/calls/x/hangup", "calls:write"),
    ("GET", "/v1/api-keys", "admin"),
    ("POST", "/v1/api-keys", "admin"),
]


@pytest.mark.parametrize(("method", "path", "_scope"), ROUTES)
@pytest.mark.parametrize("authorization", [None, "Bearer nonsense", "Bearer ", "Basic YTpi"])
async def test_without_a_right_key_everything_is_401_before_the_body_is_looked_at(
    app: Litestar, method: str, path: str, _scope: str, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    async with client_of(app, None) as client:
        answer = await client.request(method, path, headers=headers, content=b"not json")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["title"] == "Unauthorized"


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
async def test_a_key_opens_what_its_scope_names_and_nothing_else(
    app: Litestar, client: httpx.AsyncClient, method: str, path: str, scope: str
) -> None:
    others = sorted({one for _, _, one in ROUTES} - {scope, "admin"})
    without = (await client.post("/v1/api-keys", json={"name": "a", "scopes": others})).json()["secret"]
    having = (await client.post("/v1/api-keys", json={"name": "b", "scopes": [scope]})).json()["secret"]
    async with client_of(app, without) as limited:
        refused = await limited.request(method, path)
    assert refused.status_code == 403
    assert scope in refused.json()["detail"]
    async with client_of(app, having) as allowed:
        assert (await allowed.request(method, path)).status_code not in (401, 403)


async def test_the_secret_is_shown_once_and_only_its_hash_is_kept(
    client: httpx.AsyncClient, database: Database
) -> None:
    made = (await client.post("/v1/api-keys", json={"name": "a", "scopes": ["admin"]})).json()
    listed = (await client.get("/v1/api-keys")).json()["items"]
    assert [key["id"] for key in listed] == [made["id"]]
    assert "secret" not in listed[0]
    assert made["secret"].startswith(listed[0]["hint"])
    async with database.session() as session:
        row = (await session.scalars(select(ApiKey))).one()
        everything = (await session.execute(text("select api_keys::text from api_keys"))).scalar_one()
    assert row.secret_sha256 == hashlib.sha256(made["secret"].encode()).hexdigest()
    assert made["secret"] not in everything


async def test_use_is_remembered_and_a_deleted_key_opens_nothing(
    app: Litestar, client: httpx.AsyncClient
) -> None:
    made = (await client.post("/v1/api-keys", json={"name": "a", "scopes": ["agents:read"]})).json()
    assert made["last_used_at"] is None
    async with client_of(app, made["secret"]) as other:
        assert (await other.get("/v1/agents")).status_code == 200
        [listed] = (await client.get("/v1/api-keys")).json()["items"]
        assert listed["last_used_at"] is not None
        assert (await client.delete(f"/v1/api-keys/{made['id']}")).status_code == 204
        assert (await other.get("/v1/agents")).status_code == 401
    assert (await client.get("/v1/api-keys")).json()["items"] == []
    assert (await client.delete(f"/v1/api-keys/{made['id']}")).status_code == 404


async def test_unknown_scopes_are_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/api-keys", json={"name": "a", "scopes": ["everything"]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "scopes[0]"
