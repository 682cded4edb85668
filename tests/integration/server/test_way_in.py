"""What any browser, script or stranger finds at the door, whichever proxy stands in front."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace

from api.rate_limits import FAILURES_AT_ONCE
from server.parts import Parts
from tests.integration.server.test_health import asking_from, settings

KEY = {"Authorization": "Bearer an-admin-key-of-the-tests"}


@pytest.fixture
def parts(database_url: str, tmp_path: Path) -> Parts:
    return Parts(replace(settings(database_url, tmp_path), api_requests_per_minute=60), "0")


async def test_pages_of_other_sites_may_not_read_the_api(parts: Parts) -> None:
    """No origin is allowed, so browsers keep other sites from it, also from asking with a key."""
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    asked |= {"Access-Control-Request-Headers": "authorization"}
    async with asking_from("203.0.113.7", parts) as client:
        answers = [
            await client.options("/v1/agents", headers=asked),
            await client.get("/v1/agents", headers=KEY | {"Origin": "https://evil.example"}),
            await client.get("/healthz", headers={"Origin": "https://evil.example"}),
        ]
    for answer in answers:
        assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("path", ["/v1/agents", "/v1/nothing", "/healthz", "/schema", "/twilio/voice"])
async def test_every_answer_says_what_browsers_may_do_with_it(parts: Parts, path: str) -> None:
    async with asking_from("203.0.113.7", parts) as client:
        answer = await client.get(path)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert (answer.headers.get("cache-control") == "no-store") == path.startswith("/v1")


async def test_a_key_that_asks_too_often_is_told_when_to_come_again(parts: Parts) -> None:
    parts.rate_limits._clock = lambda: 0.0
    async with asking_from("203.0.113.7", parts) as client:
        answers = [await client.get("/v1/agents", headers=KEY) for _ in range(20)]
    late = answers[-1]
    assert answers[0].status_code == 200
    assert (late.status_code, late.headers["content-type"]) == (429, "application/problem+json")
    assert int(late.headers["retry-after"]) >= 1
    assert late.json()["title"] == "Too Many Requests"
    assert late.headers["cache-control"] == "no-store"


async def test_guesses_are_counted_for_whoever_is_behind_our_proxy(parts: Parts) -> None:
    parts.rate_limits._clock = lambda: 0.0

    async def guess(client: httpx.AsyncClient, forwarded_for: str) -> int:
        headers = {"Authorization": "Bearer a-guess", "X-Forwarded-For": forwarded_for}
        return (await client.get("/v1/agents", headers=headers)).status_code

    async with asking_from("127.0.0.1", parts) as client:
        guesses = [await guess(client, "203.0.113.7") for _ in range(FAILURES_AT_ONCE + 1)]
        assert guesses == [401] * FAILURES_AT_ONCE + [429]
        assert await guess(client, "198.51.100.9") == 401
        assert await guess(client, "198.51.100.9, 203.0.113.7") == 429, "a lie in front of it"
    assert parts.rate_limits.counters.api_keys_refused == FAILURES_AT_ONCE + 1
