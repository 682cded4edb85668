from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from bridge.call.ending import EndReason
from database import call_commands, calls
from database.call_events import add_event
from database.models import Call, TranscriptLine
from database.notifications import CALL_COMMANDS, Notifications
from database.session import Database
from tests.fake_twilio import FakeTwilio
from tests.integration.api.conftest import PUBLIC_URL

Json = dict[str, Any]
TO = "+14155550199"


@pytest.fixture
def wanted(agent: Json, number: Json) -> Json:
    assert number["agent_id"] == agent["id"]
    return {"agent_id": agent["id"], "to": TO}


async def place(client: httpx.AsyncClient, wanted: Json) -> Json:
    answer = await client.post("/v1/calls", json=wanted)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_call_is_dialled_with_addresses_that_name_it(
    client: httpx.AsyncClient, network: FakeTwilio, wanted: Json
) -> None:
    call = await place(client, wanted | {"metadata": {"order": 7}, "max_call_seconds": 120})
    assert (call["direction"], call["status"], call["from"], call["to"]) == (
        "outbound",
        "queued",
        "+14155550100",
        TO,
    )
    assert call["twilio_call_sid"].startswith("CA")
    assert call["metadata"] == {"order": 7}
    [form] = network.dialled
    assert form["Url"][0].startswith(f"{PUBLIC_URL}/twilio/outbound/{call['id']}#")
    assert form["StatusCallback"][0].startswith(f"{PUBLIC_URL}/twilio/status/{call['id']}#")
    assert int(form["TimeLimit"][0]) > 120
    assert (await client.get(f"/v1/calls/{call['id']}")).json() == call


async def test_what_twilio_refuses_is_its_code_and_a_failed_row(
    client: httpx.AsyncClient, network: FakeTwilio, wanted: Json
) -> None:
    network.refuse_with = (400, 21215, "Account not authorized")
    answer = await client.post("/v1/calls", json=wanted)
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["code"] == 21215
    assert "Geo permissions" in problem["detail"]
    call = (await client.get(f"/v1/calls/{problem['call_id']}")).json()
    assert (call["status"], call["ended_reason"], call["error"]["code"]) == ("failed", "dial_failed", 21215)


async def test_without_an_answer_of_twilio_the_call_stays_queued_and_is_not_dialled_again(
    client: httpx.AsyncClient, network: FakeTwilio, wanted: Json
) -> None:
    network.drops_connections = True
    answer = await client.post("/v1/calls", json=wanted, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["status"]) == (201, "queued")
    assert answer.json()["twilio_call_sid"] is None
    network.drops_connections = False
    again = await client.post("/v1/calls", json=wanted, headers={"Idempotency-Key": "k"})
    assert again.json() == answer.json()
    assert len(network.dialled) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"to": "+19005551234"}, "to"),
        ({"to": "911"}, "to"),
        ({"to": "+4915112345678"}, "to"),
        ({"to": "+14155550100"}, "to"),
        ({"from": "+14155550111"}, "from"),
        ({"agent_id": "agent_unknown"}, "agent_id"),
        ({"max_call_seconds": 0}, "max_call_seconds"),
    ],
)
async def test_what_cannot_be_called_is_refused_before_twilio_is_asked(
    client: httpx.AsyncClient, network: FakeTwilio, wanted: Json, change: Json, field: str
) -> None:
    answer = await client.post("/v1/calls", json=wanted | change)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert network.dialled == []
    assert (await client.get("/v1/calls")).json()["items"] == []


async def test_an_agent_without_a_number_needs_a_from(
    client: httpx.AsyncClient, network: FakeTwilio, number: Json
) -> None:
    other = (await client.post("/v1/agents", json={"name": "b", "prompt": "x"})).json()
    answer = await client.post("/v1/calls", json={"agent_id": other["id"], "to": TO})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "from"
    await place(client, {"agent_id": other["id"], "to": TO, "from": number["number"]})
    assert len(network.dialled) == 1


async def test_a_variable_without_value_is_refused_before_anything_is_dialled(
    client: httpx.AsyncClient, network: FakeTwilio, number: Json
) -> None:
    made = await client.post(
        "/v1/agents",
        json={"name": "b", "prompt": "Ask {{name}} at {{caller_number}}.", "greeting": "{{hi|Hi}}"},
    )
    wanted = {"agent_id": made.json()["id"], "to": TO, "from": number["number"]}
    refused = await client.post("/v1/calls", json=wanted)
    assert refused.status_code == 422
    assert "name" in refused.json()["errors"][0]["message"]
    assert network.dialled == []
    call = await place(client, wanted | {"variables": {"name": "Ada", "age": 42}})
    assert call["variables"] == {"name": "Ada", "age": 42}


async def test_the_same_idempotency_key_gets_the_same_answer_and_dials_once(
    client: httpx.AsyncClient, network: FakeTwilio, wanted: Json
) -> None:
    headers = {"Idempotency-Key": "order-7"}
    first = await client.post("/v1/calls", json=wanted, headers=headers)
    second = await client.post("/v1/calls", json=wanted, headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    other = await client.post("/v1/calls", json=wanted | {"to": "+14155550198"}, headers=headers)
    assert other.status_code == 422
    assert len(network.dialled) == 1


async def test_a_refusal_is_repeated_too(
    client: httpx.AsyncClient, network: FakeTwilio, wanted: Json
) -> None:
    headers = {"Idempotency-Key": "order-8"}
    network.refuse_with = (400, 21211, "invalid")
    first = await client.post("/v1/calls", json=wanted, headers=headers)
    network.refuse_with = None
    second = await client.post("/v1/calls", json=wanted, headers=headers)
    assert (first.status_code, second.status_code) == (422, 422)
    assert first.json() == second.json()
    assert network.dialled == []


async def test_the_same_key_while_the_first_is_running_is_409(
    client: httpx.AsyncClient, network: FakeTwilio, wanted: Json
) -> None:
    network.answers.clear()
    network.asked.clear()
    headers = {"Idempotency-Key": "order-9"}
    first = asyncio.create_task(client.post("/v1/calls", json=wanted, headers=headers))
    await network.asked.wait()
    second = await client.post("/v1/calls", json=wanted, headers=headers)
    assert second.status_code == 409
    network.answers.set()
    assert (await first).status_code == 201
    assert len(network.dialled) == 1


async def test_keys_of_different_api_keys_do_not_meet(
    client: httpx.AsyncClient, network: FakeTwilio, wanted: Json
) -> None:
    made = await client.post("/v1/api-keys", json={"name": "b", "scopes": ["calls:write"]})
    other = {"Authorization": f"Bearer {made.json()['secret']}"}
    headers = {"Idempotency-Key": "same"}
    await client.post("/v1/calls", json=wanted, headers=headers)
    answer = await client.post("/v1/calls", json=wanted, headers=headers | other)
    assert answer.status_code == 201
    assert len(network.dialled) == 2


async def test_calls_are_filtered(client: httpx.AsyncClient, database: Database, wanted: Json) -> None:
    one = await place(client, wanted)
    two = await place(client, wanted | {"to": "+14155550198"})
    await calls.finish(database, one["id"], status="busy", reason=EndReason.NOT_ANSWERED)

    async def ids(**params: str) -> list[str]:
        return [call["id"] for call in (await client.get("/v1/calls", params=params)).json()["items"]]

    assert await ids() == [two["id"], one["id"]]
    assert await ids(status="busy") == [one["id"]]
    assert await ids(to="+14155550198") == [two["id"]]
    assert await ids(**{"from": "+14155550100"}) == [two["id"], one["id"]]
    assert await ids(agent_id="agent_other") == []
    assert await ids(since=two["created_at"]) == [two["id"]]
    assert await ids(until=two["created_at"]) == [one["id"]]
    for wrong in (
        {"status": "sleeping"},
        {"since": "yesterday"},
        {"since": "2026-01-01T00:00:00"},
        {"limit": "0"},
    ):
        assert (await client.get("/v1/calls", params=wrong)).status_code == 422


async def test_hanging_up_a_ringing_call_asks_twilio(
    client: httpx.AsyncClient, network: FakeTwilio, wanted: Json
) -> None:
    call = await place(client, wanted)
    answer = await client.post(f"/v1/calls/{call['id']}/hangup")
    assert answer.status_code == 200
    assert network.updated == [(call["twilio_call_sid"], {"Status": ["completed"]})]


async def test_hanging_up_a_call_that_twilio_never_confirmed_cancels_it(
    client: httpx.AsyncClient, network: FakeTwilio, wanted: Json
) -> None:
    network.drops_connections = True
    call = await place(client, wanted)
    answer = await client.post(f"/v1/calls/{call['id']}/hangup")
    assert (answer.json()["status"], answer.json()["ended_reason"]) == ("canceled", "canceled")
    assert (await client.post(f"/v1/calls/{call['id']}/hangup")).status_code == 409


async def test_hanging_up_a_live_call_asks_whoever_holds_it(
    client: httpx.AsyncClient, database: Database, notifications: Notifications, wanted: Json
) -> None:
    call = await place(client, wanted)
    await calls.answer(database, call["id"], holder=calls.Holder("process_0", "0"))

    async def holder() -> str:
        with notifications.listen(CALL_COMMANDS, call["id"]) as news:
            while not (commands := await call_commands.waiting(database)):
                await news.wait()
        assert await call_commands.acknowledge(database, commands[0].id)
        return commands[0].command

    taken = asyncio.create_task(holder())
    answer = await client.post(f"/v1/calls/{call['id']}/hangup")
    assert answer.status_code == 200
    assert await taken == "hangup"


async def test_a_live_call_that_nobody_holds_is_504(
    client: httpx.AsyncClient, database: Database, wanted: Json
) -> None:
    call = await place(client, wanted)
    await calls.answer(database, call["id"], holder=calls.Holder("process_0", "0"))
    assert (await client.post(f"/v1/calls/{call['id']}/hangup")).status_code == 504


async def finished_call_with_content(client: httpx.AsyncClient, database: Database, wanted: Json) -> Json:
    call = await place(client, wanted | {"variables": {"name": "Ada"}, "metadata": {"order": 7}})
    await calls.answer(database, call["id"], holder=calls.Holder("process_0", "0"))
    async with database.session.begin() as session:
        for item_id, position, role, text in (("i2", 2, "caller", "Two"), ("i1", 1, "agent", "One")):
            session.add(
                TranscriptLine(
                    call_id=call["id"],
                    item_id=item_id,
                    position=position,
                    role=role,
                    text=text,
                    start_ms=position * 1000,
                    end_ms=position * 1000 + 500,
                    interrupted=role == "agent",
                )
            )
    await calls.finish(database, call["id"], status="completed", reason=EndReason.CALLER_HUNG_UP)
    return (await client.get(f"/v1/calls/{call['id']}")).json()


async def test_the_transcript_is_in_spoken_order(
    client: httpx.AsyncClient, database: Database, wanted: Json
) -> None:
    call = await finished_call_with_content(client, database, wanted)
    assert (call["status"], call["ended_reason"], call["duration_seconds"]) == (
        "completed",
        "caller_hung_up",
        0,
    )
    transcript = (await client.get(f"/v1/calls/{call['id']}/transcript")).json()
    assert transcript == {
        "call_id": call["id"],
        "items": [
            {"role": "agent", "text": "One", "start_ms": 1000, "end_ms": 1500, "interrupted": True},
            {"role": "caller", "text": "Two", "start_ms": 2000, "end_ms": 2500, "interrupted": False},
        ],
    }


async def test_erasing_leaves_that_there_was_a_call(
    client: httpx.AsyncClient, database: Database, wanted: Json
) -> None:
    running = await place(client, wanted)
    assert (await client.delete(f"/v1/calls/{running['id']}")).status_code == 409
    call = await finished_call_with_content(client, database, wanted)
    path = f"/v1/calls/{call['id']}"
    for _ in range(2):
        assert (await client.delete(path)).status_code == 204
    left = (await client.get(path)).json()
    assert left.pop("content_erased_at") > left["ended_at"]
    del call["content_erased_at"]
    assert left == call | {"to": "erased", "variables": {}, "metadata": {}}
    assert (await client.get(f"{path}/transcript")).json()["items"] == []
    assert (await client.get(f"{path}/events")).json()["items"] == []


async def test_events_are_listed_page_by_page(
    client: httpx.AsyncClient, database: Database, wanted: Json
) -> None:
    call = await finished_call_with_content(client, database, wanted)
    path = f"/v1/calls/{call['id']}/events"
    first = (await client.get(path, params={"limit": 2})).json()
    rest = (await client.get(path, params={"limit": 2, "cursor": first["next_cursor"]})).json()
    types = [event["type"] for event in first["items"] + rest["items"]]
    assert types == ["call.created", "call.answered", "call.ended"]
    assert rest["next_cursor"] is None
    assert first["items"][0]["offset_ms"] <= 0


def received(text: str) -> list[tuple[str, Json]]:
    """(id, event) of each server-sent event."""
    events: list[tuple[str, Json]] = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            event = json.loads(fields["data"])
            assert fields["event"] == event["type"]
            events.append((fields["id"], event))
    return events


async def test_a_live_call_is_followed_until_it_has_ended_and_resumed_after_an_event(
    client: httpx.AsyncClient, database: Database, wanted: Json
) -> None:
    call = await place(client, wanted)
    path = f"/v1/calls/{call['id']}/events"
    headers = {"Accept": "text/event-stream"}
    async with asyncio.timeout(10):
        follower = asyncio.create_task(client.get(path, headers=headers))
        await calls.answer(database, call["id"], holder=calls.Holder("process_0", "0"))
        async with database.session.begin() as session:
            row = await session.get_one(Call, call["id"], with_for_update=True)
            await add_event(session, row, "dtmf.received", {"digit": "1"})
        await calls.finish(database, call["id"], status="completed", reason=EndReason.CALLER_HUNG_UP)
        answer = await follower
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = received(answer.text)
    assert [event["type"] for _, event in events] == [
        "call.created",
        "call.answered",
        "dtmf.received",
        "call.ended",
    ]
    resumed = await client.get(path, headers=headers | {"Last-Event-ID": events[1][0]})
    assert received(resumed.text) == events[2:]
    wrong = await client.get(path, headers=headers | {"Last-Event-ID": "x"})
    assert wrong.status_code == 422


async def test_following_a_call_whose_content_was_erased_ends_at_once(
    client: httpx.AsyncClient, database: Database, wanted: Json
) -> None:
    call = await finished_call_with_content(client, database, wanted)
    await client.delete(f"/v1/calls/{call['id']}")
    answer = await client.get(f"/v1/calls/{call['id']}/events", headers={"Accept": "text/event-stream"})
    assert answer.text == ""
