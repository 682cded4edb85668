"""A tool's webhook as it is: slow, broken, moved, talkative; the model hears the truth, in few words."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks.webhooks import Webhook

from bridge.call.tools import FunctionTool, ToolWebhook
from outgoing.address_guard import AddressGuard
from outgoing.signing_secret import tool_signing_secrets
from outgoing.tool_requests import ToolCaller, ToolOutcome, ToolRequests
from tests.tool_server import ToolRequest, ToolServer

SECRETS = tool_signing_secrets(["a-new-secret-key", "an-old-secret-key"])
CALL = {"id": "call_1", "direction": "inbound", "from": "+12125550150", "to": "+12125550100"}


@pytest.fixture
async def server() -> AsyncGenerator[ToolServer]:
    async with ToolServer() as server:
        yield server


@pytest.fixture
async def requests(server: ToolServer) -> AsyncGenerator[ToolRequests]:
    guard = AddressGuard([server.url.removeprefix("http://"), "localhost"])
    requests = ToolRequests(guard, signing_secrets=SECRETS, user_agent="Callbridge/test")
    yield requests
    await requests.close()


async def ask(
    requests: ToolRequests, url: str, arguments: str = "{}", tool_call_id: str = "call_x", **webhook: Any
) -> ToolOutcome:
    parameters = {"type": "object"}
    tool = FunctionTool(name="t", parameters=parameters, webhook=ToolWebhook(url=url, **webhook))
    caller = ToolCaller(agent_id="agent_1", call=CALL, tool_call_id=tool_call_id)
    return await requests.ask(tool, {}, caller, arguments)


def fails_first(server: ToolServer, times: int) -> None:
    async def answer(_: ToolRequest) -> web.Response:
        return web.Response(status=503 if len(server.requests) <= times else 200, text="done")

    server.answers["/"] = answer


async def test_what_may_come_twice_is_asked_again_under_the_same_key(
    requests: ToolRequests, server: ToolServer
):
    fails_first(server, 2)
    outcome = await ask(requests, server.url, safe_to_retry=True)
    assert (outcome.ok, outcome.status, outcome.output) == (True, 200, "done")
    assert len(server.requests) == 3
    assert len({request.headers["idempotency-key"] for request in server.requests}) == 1


async def test_what_must_not_come_twice_is_asked_once(requests: ToolRequests, server: ToolServer):
    """Nobody wants two appointments."""
    fails_first(server, 1)
    outcome = await ask(requests, server.url)
    assert (outcome.ok, outcome.status) == (False, 503)
    assert "not known" in outcome.output
    assert len(server.requests) == 1


async def test_a_get_carries_its_arguments_in_the_query_beside_those_of_the_address(
    requests: ToolRequests, server: ToolServer
):
    server.says("/", "done")
    arguments = '{"order": 7, "tags": ["a", "b"], "name": "J\\u00f6rg & Co"}'
    await ask(requests, f"{server.url}/?shop=1", arguments, method="GET")
    [request] = server.requests
    assert request.text == ""
    assert request.query == {"shop": "1", "order": "7", "tags": '["a", "b"]', "name": "Jörg & Co"}


async def test_both_secrets_of_a_rotation_verify(requests: ToolRequests, server: ToolServer):
    server.says("/", "done")
    await ask(requests, server.url)
    [request] = server.requests
    for secret in SECRETS:
        assert Webhook(secret).verify(request.text, request.headers)


async def test_a_long_answer_is_cut_and_says_so(requests: ToolRequests, server: ToolServer):
    server.says("/", "ä" * 1_000_000)
    outcome = await ask(requests, server.url)
    assert outcome.ok
    assert len(outcome.output.encode()) < 17_000
    assert "left out" in outcome.output


async def test_an_empty_answer_is_work_done(requests: ToolRequests, server: ToolServer):
    server.says("/", "", 204)
    outcome = await ask(requests, server.url)
    assert outcome.ok
    assert outcome.output


async def test_a_redirect_is_not_followed(requests: ToolRequests, server: ToolServer):
    """It would lead around the guard."""

    async def moved(_: ToolRequest) -> web.Response:
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    server.answers["/"] = moved
    outcome = await ask(requests, server.url)
    assert (outcome.ok, outcome.status) == (False, 302)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://localhost:1/", "could not be reached"),
        ("https://127.0.0.1/", "not on the public internet"),
        ("http://[::1]:1/", "https"),
    ],
)
async def test_an_address_that_leads_nowhere_is_told(requests: ToolRequests, url: str, words: str):
    outcome = await ask(requests, url)
    assert (outcome.ok, outcome.status) == (False, None)
    assert words in outcome.output


async def test_an_id_made_up_by_a_model_does_no_harm_in_a_header(requests: ToolRequests, server: ToolServer):
    server.says("/", "done")
    outcome = await ask(requests, server.url, tool_call_id="a\r\nHost: b\u20ac" + "x" * 5000)
    assert outcome.ok
    assert len(server.requests[0].headers["idempotency-key"]) <= 200


async def test_text_that_is_no_unicode_does_no_harm(requests: ToolRequests, server: ToolServer):
    server.says("/", "done")
    for method in ("GET", "POST"):
        assert (await ask(requests, server.url, '{"a": "\\ud800", "\\udfff": 1}', method=method)).ok
