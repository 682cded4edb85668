"""Requests made from the schema, right and wrong, against a real server: no 5xx, nothing undocumented."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litestar import Litestar
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from bridge.call.ending import EndReason
from database import calls, journal
from database.recordings import RecordingEntry
from database.session import Database
from lines.wav import to_wav
from tests.fake_twilio import FakeTwilio
from tests.integration.api.conftest import ADMIN_KEY

EXAMPLES = {GenerationMode.POSITIVE: 25, GenerationMode.NEGATIVE: 15}
CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
TO = "+14155550199"
schemathesis.openapi.media_type("audio/wav", st.binary(max_size=500).map(to_wav))


@pytest.fixture
async def url(app: Litestar) -> AsyncGenerator[str]:
    """The API on a socket, in this loop."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done()
        await asyncio.wait([serving], timeout=0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving


async def finished_call(client: httpx.AsyncClient, database: Database, agent_id: str) -> str:
    call = (await client.post("/v1/calls", json={"agent_id": agent_id, "to": TO})).json()
    await calls.answer(database, call["id"], holder=calls.Holder("process_0", "0"))
    await calls.finish(database, call["id"], status="completed", reason=EndReason.CALLER_HUNG_UP)
    recorded = RecordingEntry(call["id"], 1, dt.datetime.now(dt.UTC), "this-machine")
    await journal.write(database, [recorded])
    return call["id"]


class Explorer:
    """Makes cases of one operation and checks the answers. Runs in a thread beside the server's loop."""

    def __init__(self, url: str, known: dict[str, str]) -> None:
        self._known = known
        self._headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        self._schema = schemathesis.openapi.from_url(f"{url}/schema/openapi.json")
        self.statuses: dict[str, set[int]] = {}

    def explore_all(self) -> dict[str, set[int]]:
        """The statuses seen, by operation."""
        results: list[Any] = list(self._schema.get_all_operations())
        operations: list[APIOperation[Any, Any, Any, Any]] = [result.ok() for result in results]
        # What forbids or deletes goes last, and agents after their numbers and lines, so that the others meet
        # things that exist and may be done.
        for operation in sorted(
            operations,
            key=lambda one: (
                one.method in {"put", "delete"},
                one.method == "delete",
                "agent" in one.path,
                "/tools/" not in one.path,
                "/lines" not in one.path,
            ),
        ):
            for mode in EXAMPLES:
                self._explore(operation, mode)
        return self.statuses

    def _explore(self, operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode) -> None:
        seen = self.statuses.setdefault(operation.label, set())

        @settings(
            max_examples=EXAMPLES[mode],
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=[
                HealthCheck.too_slow,
                HealthCheck.filter_too_much,
                HealthCheck.data_too_large,
            ],
        )
        @given(case=operation.as_strategy(mode), real=st.booleans())
        def run(case: Case, real: bool) -> None:
            if real and mode is GenerationMode.POSITIVE:
                self._make_real(case)
            response = case.call(headers=self._headers)
            seen.add(response.status_code)
            checks = [*CHECKS, negative_data_rejection] if mode is GenerationMode.NEGATIVE else CHECKS
            case.validate_response(response, checks=checks, headers=self._headers)

        try:
            run()
        except schemathesis.errors.SchemathesisError as error:
            # Nothing can be wrong with an operation that takes nothing.
            assert "negative" in str(error).lower(), error

    def _make_real(self, case: Case) -> None:
        """Put in what exists, so that the case gets past 404."""
        for name in case.path_parameters or {}:
            case.path_parameters[name] = self._known.get(name, 1)
        if "If-Match" in (case.headers or {}):
            case.headers["If-Match"] = "*"
        if isinstance(case.body, dict):
            # Made-up tools and numbers are refused for what they reach.
            for field in ("tools", "fallback_number", "voicemail"):
                case.body.pop(field, None)
            if "agent_id" in case.body:
                case.body["agent_id"] = self._known["other_agent_id"]
            if "to" in case.body:
                case.body |= {"to": TO, "from": self._known["number"]}
            if "url" in case.body:
                case.body["url"] = "https://example.com/hook"
            if "number" in case.body:
                case.body |= {"number": "+14155550123", "buy": True}


@pytest.mark.timeout(180)
async def test_every_answer_is_one_that_the_schema_documents(
    url: str,
    client: httpx.AsyncClient,
    database: Database,
    network: FakeTwilio,
    agent: dict[str, Any],
    number: dict[str, Any],
) -> None:
    key = (await client.post("/v1/api-keys", json={"name": "a", "scopes": ["admin"]})).json()
    wanted = {"url": "https://example.com/hook", "events": ["*"]}
    webhook = (await client.post("/v1/webhooks", json=wanted)).json()
    other = (await client.post("/v1/agents", json={"name": "b", "prompt": "x"})).json()
    tool = {"type": "function", "name": "look_up", "webhook": {"url": "http://localhost:1/"}}
    path, version = f"/v1/agents/{agent['id']}", {"If-Match": "1"}
    assert (await client.patch(path, json={"tools": [tool]}, headers=version)).status_code == 200
    for place in (f"agents/{agent['id']}/lines", "lines/pt"):
        address, words = f"/v1/{place}/filler", {"text": "Um momento."}
        wav = {"Content-Type": "audio/wav"}
        answer = await client.put(address, params=words, content=to_wav(b"\xff"), headers=wav)
        assert answer.status_code == 200, answer.text
    known = {
        "name": "look_up",
        "language": "pt",
        "line": "filler",
        "agent_id": agent["id"],
        "other_agent_id": other["id"],
        "number_id": number["id"],
        "number": number["number"],
        "key_id": key["id"],
        "call_id": await finished_call(client, database, agent["id"]),
        "webhook_id": webhook["id"],
    }
    deliveries = (await client.get(f"/v1/webhooks/{webhook['id']}/deliveries")).json()
    known["delivery_id"] = deliveries["items"][0]["id"]
    statuses = await asyncio.to_thread(lambda: Explorer(url, known).explore_all())
    succeeded = {label for label, statuses in statuses.items() if statuses & {200, 201, 204}}
    # The one call is over, so nothing can be done on it.
    assert set(statuses) - succeeded == {
        f"POST /v1/calls/{{call_id}}/{act}" for act in ("hangup", "transfer", "say")
    }, statuses
    assert network.dialled
