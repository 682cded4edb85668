"""What calls have cost, from prices that the operator may change."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import httpx
import pytest

from bridge.runtime.snapshot import agent_of
from database import calls, journal, twilio_prices
from database.journal import TotalsEntry
from database.session import Database
from tests.conftest import run_sql

Json = dict[str, Any]
TODAY = dt.datetime.now(dt.UTC).date()


async def prices(client: httpx.AsyncClient) -> list[Json]:
    answer = await client.get("/v1/prices")
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def make_agent(client: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    return await client.post("/v1/agents", json={"name": "a", "prompt": "x"} | fields)


async def costing(
    client: httpx.AsyncClient, database: Database, number: Json, model: str | None, telephony: str | None
) -> str:
    call_id = (
        await client.post(
            "/v1/calls",
            json={"agent_id": number["agent_id"], "to": "+14155550199", "from": number["number"]},
        )
    ).json()["id"]
    if model is not None:
        await journal.write(database, [TotalsEntry(call_id, {}, {}, Decimal(model))])
    if telephony is not None:
        await twilio_prices.keep_price(database, call_id, Decimal(telephony), "USD")
    return call_id


async def test_the_shipped_prices_know_the_default_models(
    client: httpx.AsyncClient, database: Database, number: Json
) -> None:
    """A newcomer sees what a call costs without having set anything."""
    call_id = await costing(client, database, number, None, None)
    row = await calls.by_id(database, call_id)
    assert row is not None
    snapshot = await agent_of(database, row)
    assert snapshot.prices == {
        "input_text": Decimal("4.00"),
        "input_cached_text": Decimal("0.40"),
        "output_text": Decimal("24.00"),
        "input_audio": Decimal("32.00"),
        "input_cached_audio": Decimal("0.40"),
        "output_audio": Decimal("64.00"),
        "transcription_minutes": Decimal("0.017"),
    }


async def test_a_new_price_counts_from_its_day_on(
    client: httpx.AsyncClient, database: Database, number: Json
) -> None:
    shipped = await prices(client)
    model = "gpt-realtime-2.1"
    changed = [
        {
            "model": model,
            "kind": "output_audio",
            "usd": usd,
            "valid_from": str(TODAY + dt.timedelta(days=days)),
        }
        for usd, days in (("60", -1), ("70", 1))
    ]
    answer = await client.put("/v1/prices", json={"items": shipped + changed})
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["items"]) == len(shipped) + 2
    call_id = await costing(client, database, number, None, None)
    for day, usd in ((0, "60"), (-2, "64.00"), (1, "70")):
        moment = f"now() + interval '{day} days'"
        await run_sql(database.url, f"update calls set created_at = {moment} where id = '{call_id}'")
        row = await calls.by_id(database, call_id)
        assert row is not None
        assert (await agent_of(database, row)).prices["output_audio"] == Decimal(usd)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"usd": "-1"}, "items[0].usd"),
        ({"usd": 4.0}, "items[0].usd"),
        ({"kind": "output_video"}, "items[0].kind"),
        ({"valid_from": "soon"}, "items[0].valid_from"),
    ],
)
async def test_a_price_that_is_none_is_refused_and_changes_nothing(
    client: httpx.AsyncClient, change: Json, field: str
) -> None:
    before = await prices(client)
    price = {"model": "m", "kind": "output_audio", "usd": "1", "valid_from": "2026-01-01"}
    answer = await client.put("/v1/prices", json={"items": [price | change]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    twice = await client.put("/v1/prices", json={"items": [price, price]})
    assert twice.json()["errors"][0]["field"] == "items[1]"
    assert await prices(client) == before


async def test_a_limit_needs_prices_to_be_kept(client: httpx.AsyncClient) -> None:
    """A limit that nobody can compute would be none."""
    assert (await make_agent(client, max_cost_per_call="0.50")).status_code == 201
    for fields in ({"model": "gpt-new"}, {"transcription_model": "gpt-transcribe"}):
        answer = await make_agent(client, max_cost_per_call="0.50", **fields)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "max_cost_per_call"
        unlimited = await make_agent(client, **fields)
        assert unlimited.status_code == 201
        changed = await client.patch(
            f"/v1/agents/{unlimited.json()['id']}",
            json={"max_cost_per_call": "0.50"},
            headers={"If-Match": "1"},
        )
        assert changed.status_code == 422


async def test_costs_are_summed_by_day_and_by_agent(
    client: httpx.AsyncClient, database: Database, number: Json
) -> None:
    await costing(client, database, number, "0.10", "0.02")
    await costing(client, database, number, "0.20", None)
    yesterday = await costing(client, database, number, "1", "0.5")
    other = (await make_agent(client)).json()["id"]
    await costing(client, database, number | {"agent_id": other}, "5", "0.01")
    day = TODAY - dt.timedelta(days=1)
    await run_sql(database.url, f"update calls set created_at = '{day}T23:59:59Z' where id = '{yesterday}'")

    by_day = (await client.get("/v1/costs")).json()
    assert (by_day["currency"], by_day["to"]) == ("USD", str(TODAY))
    assert [(one["day"], one["calls"], one["unknown"], one["total"]) for one in by_day["items"]] == [
        (str(day), 1, 0, "1.500000"),
        (str(TODAY), 3, 1, "5.330000"),
    ]
    assert by_day["total"] == {
        "calls": 4,
        "unknown": 1,
        "model": "6.300000",
        "telephony": "0.530000",
        "total": "6.830000",
    }
    query = {"group_by": "agent", "from": str(TODAY), "to": str(TODAY)}
    by_agent = (await client.get("/v1/costs", params=query)).json()
    assert [(one["agent_id"], one["calls"], one["total"]) for one in by_agent["items"]] == [
        (other, 1, "5.010000"),
        (number["agent_id"], 2, "0.320000"),
    ]


@pytest.mark.parametrize(
    "query",
    [
        {"from": "2026-11-31"},
        {"from": "2026-11-02", "to": "2026-11-01"},
        {"from": "2020-01-01", "to": "2026-01-01"},
        {"to": "0001-01-01"},
        {"group_by": "month"},
        {"since": "2026-11-01"},
    ],
)
async def test_a_time_that_is_none_is_refused(client: httpx.AsyncClient, query: dict[str, str]) -> None:
    assert (await client.get("/v1/costs", params=query)).status_code == 422
