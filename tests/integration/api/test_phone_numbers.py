from __future__ import annotations

from typing import Any

import httpx
import pytest

from database.notifications import Notifications
from database.session import Database
from telephony.addresses import RETRY_FRAGMENT
from telephony.twilio import TwilioAccount
from tests.fake_twilio import ACCOUNT, TOKEN, FakeTwilio
from tests.integration.api.conftest import PUBLIC_URL, build_app, client_of

Json = dict[str, Any]
NUMBER = "+14155550100"


async def test_adding_a_number_points_it_here(
    client: httpx.AsyncClient, network: FakeTwilio, agent: Json
) -> None:
    sid = network.own(NUMBER, voice_url="https://demo.twilio.com/welcome/voice/")
    answer = await client.post("/v1/phone-numbers", json={"number": NUMBER, "agent_id": agent["id"]})
    assert answer.status_code == 201
    assert (answer.json()["number"], answer.json()["twilio_sid"]) == (NUMBER, sid)
    assert network.numbers[sid]["voice_url"] == f"{PUBLIC_URL}/twilio/voice{RETRY_FRAGMENT}"
    assert network.numbers[sid]["voice_fallback_url"] == f"{PUBLIC_URL}/twilio/voice{RETRY_FRAGMENT}"
    assert network.numbers[sid]["status_callback"] == f"{PUBLIC_URL}/twilio/status{RETRY_FRAGMENT}"
    again = await client.post("/v1/phone-numbers", json={"number": NUMBER, "agent_id": agent["id"]})
    assert again.status_code == 409


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"voice_url": "https://shop.example/voice"}, "shop.example"),
        ({"trunk_sid": "TK1"}, "TK1"),
        ({"voice_application_sid": "AP1"}, "AP1"),
    ],
)
async def test_a_number_in_use_is_taken_over_only_when_asked_and_given_back_by_delete(
    client: httpx.AsyncClient, network: FakeTwilio, agent: Json, fields: dict[str, str], words: str
) -> None:
    sid = network.own(NUMBER, **fields)
    body = {"number": NUMBER, "agent_id": agent["id"]}
    refused = await client.post("/v1/phone-numbers", json=body)
    assert refused.status_code == 409
    assert words in refused.json()["detail"]
    taken = await client.post("/v1/phone-numbers", json=body | {"take_over": True})
    assert taken.status_code == 201
    assert network.numbers[sid]["voice_url"].startswith(PUBLIC_URL)
    assert not network.numbers[sid]["trunk_sid"]
    path = f"/v1/phone-numbers/{taken.json()['id']}"
    assert (await client.delete(path)).status_code == 204
    for name, value in fields.items():
        assert network.numbers[sid][name] == value
    assert (await client.get(path)).status_code == 404


async def test_webhooks_that_somebody_changed_meanwhile_are_left_alone(
    client: httpx.AsyncClient, network: FakeTwilio, number: Json
) -> None:
    network.numbers[number["twilio_sid"]]["voice_url"] = "https://new.example/voice"
    assert (await client.delete(f"/v1/phone-numbers/{number['id']}")).status_code == 204
    assert network.numbers[number["twilio_sid"]]["voice_url"] == "https://new.example/voice"


async def test_a_number_that_left_the_account_can_be_deleted(
    client: httpx.AsyncClient, network: FakeTwilio, number: Json
) -> None:
    network.numbers.clear()
    assert (await client.delete(f"/v1/phone-numbers/{number['id']}")).status_code == 204


async def test_a_number_of_others_is_bought_only_when_asked(client: httpx.AsyncClient, agent: Json) -> None:
    found = await client.get("/v1/phone-numbers/available", params={"country": "US", "area_code": "415"})
    assert found.json()["items"] == [{"number": "+14155550123", "locality": "San Francisco", "region": "CA"}]
    body = {"number": "+14155550123", "agent_id": agent["id"]}
    refused = await client.post("/v1/phone-numbers", json=body)
    assert refused.status_code == 422
    assert "'buy': true" in refused.json()["detail"]
    assert (await client.post("/v1/phone-numbers", json=body | {"buy": True})).status_code == 201
    gone = await client.post("/v1/phone-numbers", json=body | {"buy": True, "number": "+14155550124"})
    assert (gone.status_code, gone.json()["code"]) == (422, 21422)


async def test_when_twilio_refuses_the_webhooks_nothing_is_kept(
    client: httpx.AsyncClient, network: FakeTwilio, agent: Json
) -> None:
    network.own(NUMBER)
    network.refuse_with = (401, 20003, "Authenticate")
    answer = await client.post("/v1/phone-numbers", json={"number": NUMBER, "agent_id": agent["id"]})
    assert (answer.status_code, answer.json()["code"]) == (422, 20003)
    assert (await client.get("/v1/phone-numbers")).json()["items"] == []


async def test_when_twilio_does_not_answer_it_is_502(
    client: httpx.AsyncClient, network: FakeTwilio, agent: Json
) -> None:
    network.own(NUMBER)
    network.refuse_with = (500, 20500, "Internal Server Error")
    answer = await client.post("/v1/phone-numbers", json={"number": NUMBER, "agent_id": agent["id"]})
    assert answer.status_code == 502


async def test_a_number_gets_no_agent_that_has_a_variable_without_default(
    client: httpx.AsyncClient, network: FakeTwilio, number: Json
) -> None:
    made = await client.post("/v1/agents", json={"name": "a", "prompt": "Ask for {{name}}."})
    network.own("+14155550101")
    body = {"number": "+14155550101", "agent_id": made.json()["id"]}
    refused = await client.post("/v1/phone-numbers", json=body)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "agent_id"
    path = f"/v1/phone-numbers/{number['id']}"
    assert (await client.patch(path, json={"agent_id": made.json()["id"]})).status_code == 422
    unknown = await client.patch(path, json={"agent_id": "agent_x"})
    assert unknown.status_code == 422


async def test_a_number_changes_its_agent_and_its_fallback(
    client: httpx.AsyncClient, network: FakeTwilio, number: Json
) -> None:
    other = (await client.post("/v1/agents", json={"name": "b", "prompt": "x"})).json()
    path = f"/v1/phone-numbers/{number['id']}"
    changed = await client.patch(
        path, json={"agent_id": other["id"], "fallback_url": "https://own.example/twiml"}
    )
    assert changed.json()["agent_id"] == other["id"]
    at_twilio = network.numbers[number["twilio_sid"]]
    assert at_twilio["voice_fallback_url"] == "https://own.example/twiml"
    assert (await client.patch(path, json={"fallback_url": None})).json()["fallback_url"] is None
    assert at_twilio["voice_fallback_url"].startswith(PUBLIC_URL)
    assert (await client.get(path)).json()["agent_id"] == other["id"]


async def test_what_a_caller_gets_when_no_agent_has_time(client: httpx.AsyncClient, number: Json) -> None:
    path = f"/v1/phone-numbers/{number['id']}"
    wanted = {"when_full": "All lines are busy.", "forward_to": "+14155550199"}
    changed = (await client.patch(path, json=wanted)).json()
    assert {name: changed[name] for name in wanted} == wanted
    assert (await client.patch(path, json={"when_full": None})).json()["when_full"] is None
    refused = await client.patch(path, json={"forward_to": "reception"})
    assert refused.json()["errors"][0]["field"] == "forward_to"


async def test_the_same_idempotency_key_buys_once(
    client: httpx.AsyncClient, network: FakeTwilio, agent: Json
) -> None:
    body = {"number": "+14155550123", "agent_id": agent["id"], "buy": True}
    first = await client.post("/v1/phone-numbers", json=body, headers={"Idempotency-Key": "k1"})
    second = await client.post("/v1/phone-numbers", json=body, headers={"Idempotency-Key": "k1"})
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert second.headers["idempotency-replayed"] == "true"
    assert len(network.numbers) == 1


@pytest.mark.parametrize("public_url", ["http://127.0.0.1:8000", "https://10.0.0.5", "https://localhost"])
async def test_real_twilio_needs_a_public_https_address(
    database: Database, notifications: Notifications, public_url: str
) -> None:
    twilio = TwilioAccount(ACCOUNT, [TOKEN], "https://api.twilio.com")
    async with client_of(build_app(database, twilio, notifications, public_url)) as client:
        answer = await client.post("/v1/phone-numbers", json={"number": NUMBER, "agent_id": "agent_x"})
    assert answer.status_code == 422
    assert "PUBLIC_URL" in answer.json()["detail"]
