"""While Postgres is away every address of the API says so, and when to come again."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from database.notifications import Notifications
from database.session import Database
from telephony.twilio import TwilioAccount
from tests.integration.api.conftest import build_app, client_of

AWAY = "postgresql://nobody@127.0.0.1:9/nothing"
AGENT = {"name": "Front desk", "prompt": "Answer the phone."}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/agents": AGENT,
    "/v1/calls": {"agent_id": "agent_1", "to": "+14155550100"},
    "/v1/phone-numbers": {"number": "+14155550100", "agent_id": "agent_1"},
    "/v1/api-keys": {"name": "ours", "scopes": ["calls:read"]},
    "/v1/webhooks": {"url": "https://example.com/hook", "events": ["*"]},
}


@pytest.fixture
async def client(twilio: TwilioAccount) -> AsyncGenerator[httpx.AsyncClient]:
    database = Database(AWAY)
    async with client_of(build_app(database, twilio, Notifications(AWAY))) as client:
        yield client
    await database.close()


WITHOUT_POSTGRES = {"/v1/tool-signing-secret", "/v1/phone-numbers/available"}
"""Answered from the settings, and by Twilio."""


async def test_every_address_says_that_postgres_is_away(client: httpx.AsyncClient) -> None:
    schema = (await client.get("/schema/openapi.json")).json()
    asked = [
        (method, re.sub(r"{\w+}", "en", path.replace("{line}", "hold")), BODIES.get(path))
        for path, methods in schema["paths"].items()
        for method in methods
        if method in {"get", "delete"} or (method == "post" and path in BODIES)
        if path.startswith("/v1/") and path not in WITHOUT_POSTGRES
    ]
    assert len(asked) > 20
    for method, address, body in asked:
        answer = await client.request(method, address, json=body)
        assert answer.status_code == 503, (method, address, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert int(answer.headers["retry-after"]) > 0
