from __future__ import annotations

from collections.abc import AsyncGenerator

import httpx
import pytest
from litestar import Litestar, get

from api.errors import EXCEPTION_HANDLERS
from database.notifications import Notifications
from database.session import Database
from telephony.twilio import TwilioAccount
from tests.integration.api.conftest import build_app, client_of


@pytest.fixture
async def without_database(
    twilio: TwilioAccount, notifications: Notifications
) -> AsyncGenerator[httpx.AsyncClient]:
    away = Database("postgresql://nobody:x@127.0.0.1:9/nowhere")
    async with client_of(build_app(away, twilio, notifications)) as client:
        yield client
    await away.close()


@pytest.mark.parametrize("path", ["/v1/agents", "/v1/calls/x", "/v1/phone-numbers", "/v1/api-keys"])
async def test_while_the_database_is_away_it_is_503_and_says_when_to_try_again(
    without_database: httpx.AsyncClient, path: str
) -> None:
    answer = await without_database.get(path)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert answer.json()["title"] == "Service Unavailable"


@pytest.mark.parametrize(
    ("method", "path", "kwargs", "status"),
    [
        ("GET", "/v1/nothing", {}, 404),
        ("PUT", "/v1/agents", {}, 405),
        ("POST", "/v1/agents", {"content": b'{"name": '}, 400),
        ("POST", "/v1/agents", {"content": b'{"name": "\xff"}'}, 400),
        ("POST", "/v1/agents", {"content": b'{"name": "\\ud800", "prompt": "x"}'}, 400),
        ("POST", "/v1/agents", {"content": b"[]"}, 422),
        ("POST", "/v1/agents", {"content": b""}, 400),
        ("POST", "/v1/agents", {"data": {"name": "a"}}, 415),
        ("POST", "/v1/agents", {"content": b'{"name": "a", "prompt": "' + b"x" * 11_000_000 + b'"}'}, 413),
        ("POST", "/v1/agents", {"json": {"name": "a\0", "prompt": "x"}}, 422),
        ("GET", "/v1/agents/a%00b", {}, 422),
        ("POST", "/v1/agents/x/versions/99999999999/restore", {}, 422),
        ("GET", "/v1/calls?limit=many", {}, 422),
        ("GET", "/v1/calls?agent=x", {}, 422),
        ("GET", "/v1/calls?limit=1&limit=2", {}, 422),
    ],
)
async def test_every_error_is_problem_json(
    client: httpx.AsyncClient, method: str, path: str, kwargs: dict[str, object], status: int
) -> None:
    answer = await client.request(method, path, **kwargs)  # pyright: ignore[reportArgumentType] (one of httpx's ways to give a body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert set(problem) >= {"type", "title", "status", "detail"}
    assert problem["status"] == status
    if status == 405:
        assert "POST" in answer.headers["allow"]


async def test_a_mistake_of_ours_tells_nothing_of_what_was_asked() -> None:
    @get("/broken")
    async def broken() -> None:
        raise RuntimeError("+14155550199 said something private")

    app = Litestar([broken], exception_handlers=EXCEPTION_HANDLERS, openapi_config=None)
    async with client_of(app) as client:
        answer = await client.get("/broken")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "private" not in answer.text
