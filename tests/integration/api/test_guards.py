"""What may be dialled and how much, whoever asks and whichever process is asked."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import httpx
import pytest

from bridge.call.ending import EndReason
from database import calls, journal
from database.journal import TotalsEntry
from database.session import Database
from tests.conftest import run_sql
from tests.fake_twilio import FakeTwilio

Json = dict[str, Any]
TO, OTHER = "+14155550199", "+14155550198"
OPEN: Json = {
    "countries": None,
    "allow": [],
    "deny": [],
    "max_calls_per_day": None,
    "max_calls_per_destination_per_day": None,
    "max_concurrent_calls": None,
    "max_cost_per_day": None,
}


async def guard(client: httpx.AsyncClient, **guards: Any) -> None:
    answer = await client.put("/v1/guards", json=guards)
    assert answer.status_code == 200, answer.text
    assert answer.json() == OPEN | guards
    assert (await client.get("/v1/guards")).json() == answer.json()


async def dial(client: httpx.AsyncClient, number: Json, to: str = TO) -> httpx.Response:
    return await client.post("/v1/calls", json={"agent_id": number["agent_id"], "to": to})


async def refused(client: httpx.AsyncClient, number: Json, to: str = TO) -> str:
    answer = await dial(client, number, to)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == "to"
    return answer.json()["detail"]


async def test_nothing_is_guarded_but_the_countries_until_somebody_does(
    client: httpx.AsyncClient, number: Json
) -> None:
    assert (await client.get("/v1/guards")).json() == OPEN
    assert (await dial(client, number)).status_code == 201


@pytest.mark.parametrize(
    ("guards", "to", "why"),
    [
        ({"countries": ["GB"]}, TO, "allow only these countries (GB)"),
        ({"countries": []}, TO, "(none)"),
        ({"deny": [TO]}, TO, "deny this number"),
        ({"deny": ["+1415*"]}, TO, "deny this number"),
        ({"allow": [OTHER]}, TO, "not among the numbers"),
        ({"allow": ["+1415*"], "deny": [TO]}, TO, "deny this number"),
        ({"allow": ["+1900*"], "countries": ["US"]}, "+19005551234", "premium-rate"),
        ({"allow": ["+881*"]}, "+8816123456", "satellite"),
    ],
)
async def test_a_destination_that_the_guards_do_not_allow_is_not_dialled(
    client: httpx.AsyncClient, network: FakeTwilio, number: Json, guards: Json, to: str, why: str
) -> None:
    await guard(client, **guards)
    assert why in await refused(client, number, to)
    assert network.dialled == []


@pytest.mark.parametrize(
    ("guards", "to"),
    [
        ({"countries": ["GB"]}, "+442079460001"),
        ({"allow": ["+4420*"]}, "+442079460001"),
        ({"allow": [TO], "countries": ["GB"]}, TO),
        ({"deny": [OTHER]}, TO),
    ],
)
async def test_what_the_guards_allow_is_dialled(
    client: httpx.AsyncClient, number: Json, guards: Json, to: str
) -> None:
    await guard(client, **guards)
    assert (await dial(client, number, to)).status_code == 201


async def test_a_destination_is_called_only_so_often_a_day(
    client: httpx.AsyncClient, database: Database, number: Json
) -> None:
    await guard(client, max_calls_per_destination_per_day=2)
    for _ in range(2):
        assert (await dial(client, number)).status_code == 201
    assert "to this number were placed today" in await refused(client, number)
    assert (await dial(client, number, OTHER)).status_code == 201
    await run_sql(database.url, "update calls set created_at = created_at - interval '1 day'")
    assert (await dial(client, number)).status_code == 201


async def test_only_so_many_calls_are_up_at_once(
    client: httpx.AsyncClient, database: Database, number: Json
) -> None:
    await guard(client, max_concurrent_calls=1)
    first = (await dial(client, number)).json()
    assert "are being placed or up" in await refused(client, number, OTHER)
    await calls.finish(database, first["id"], status="busy", reason=EndReason.NOT_ANSWERED)
    assert (await dial(client, number, OTHER)).status_code == 201


async def test_no_two_requests_take_the_last_place(
    client: httpx.AsyncClient, network: FakeTwilio, number: Json
) -> None:
    """Counting and adding is one step, or a burst of requests would pass the guard together."""
    await guard(client, max_calls_per_day=3)
    answers = await asyncio.gather(*(dial(client, number) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [422] * 5
    assert len(network.dialled) == 3


async def test_a_day_that_has_cost_enough_places_no_more_calls(
    client: httpx.AsyncClient, database: Database, network: FakeTwilio, number: Json
) -> None:
    await guard(client, max_cost_per_day="1.50")
    call = (await dial(client, number)).json()
    await journal.write(database, [TotalsEntry(call["id"], {"output_audio": 1}, {}, Decimal("1.49"))])
    assert (await dial(client, number)).status_code == 201
    await journal.write(database, [TotalsEntry(call["id"], {"output_audio": 2}, {}, Decimal("1.50"))])
    assert "have cost the 1.50 US dollars" in await refused(client, number)
    assert len(network.dialled) == 2


@pytest.mark.parametrize(
    ("guards", "to", "status"),
    [
        ({}, "+19005551234", 422),
        ({}, "+8816123456", 422),
        ({}, "+442079460001", 201),
        ({"countries": ["US"]}, "+442079460001", 422),
        ({"deny": ["+44*"]}, "+442079460001", 422),
    ],
)
async def test_callers_are_connected_only_to_what_may_be_dialled(
    client: httpx.AsyncClient, number: Json, guards: Json, to: str, status: int
) -> None:
    """Or whoever may change an agent makes it ring a premium number, by calling it and letting it fail."""
    await guard(client, **guards)
    agent = {"name": "a", "prompt": "x", "fallback_number": to}
    assert (await client.post("/v1/agents", json=agent)).status_code == status
    changed = await client.patch(f"/v1/phone-numbers/{number['id']}", json={"forward_to": to})
    assert changed.status_code == (200 if status == 201 else 422)


@pytest.mark.parametrize(
    ("guards", "field"),
    [
        ({"countries": ["XX"]}, "countries[0]"),
        ({"countries": ["us"]}, "countries[0]"),
        ({"deny": ["0190*"]}, "deny[0]"),
        ({"allow": ["+1415"]}, "allow[0]"),
        ({"max_cost_per_day": 5}, "max_cost_per_day"),
        ({"max_calls": 5}, "max_calls"),
    ],
)
async def test_guards_that_would_guard_nothing_are_refused(
    client: httpx.AsyncClient, guards: Json, field: str
) -> None:
    """A mistyped guard must not look like one that holds."""
    answer = await client.put("/v1/guards", json=guards)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
