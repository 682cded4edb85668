"""What calls cost is known, from the model as they go and from Twilio afterwards, and is limited."""

from __future__ import annotations

from dataclasses import replace

from bridge.runtime.twilio_prices import TwilioPrices
from simulator.phones.behaviour import Behaviour
from tests.conftest import run_sql
from tests.end_to_end.harness import Harness

CALLEE = "+12125550123"
NEXT_CALLEE = "+12125550124"


async def price_is_due(callbridge: Harness) -> None:
    """The time has come to ask Twilio, and it is asked: here, and by nobody else meanwhile."""
    [twilio_prices] = [work for work in callbridge.parts.rounds if isinstance(work, TwilioPrices)]
    await twilio_prices.stop()
    await run_sql(callbridge.parts.database.url, "update calls set price_due_at = now() - interval '1 s'")
    await twilio_prices.round()


async def test_a_call_at_its_limit_says_goodbye_and_its_cost_is_there_in_the_end(callbridge: Harness):
    agent_id = await callbridge.agent(greeting="Hello, this is Example.", max_cost_per_call="0.0001")
    call = callbridge.dial(await callbridge.number(agent_id), hangs_up="never")
    row = await callbridge.ended(call)
    assert callbridge.sim.model.problems == []
    assert " ".join(call.heard) == "Hello, this is Example. Thank you for calling. Goodbye."
    assert (row["status"], row["ended_reason"]) == ("completed", "cost_limit")
    assert float(row["cost"]["model"]) > 0.0001

    await price_is_due(callbridge)
    row = await callbridge.call_row(call.sid)
    assert (row["cost"]["telephony"], row["cost"]["total"]) == (None, None), "Twilio has not rated it yet"

    equipment = callbridge.sim.network.equipment
    equipment.timing = replace(equipment.timing, rated_after_ms=0)
    await price_is_due(callbridge)
    cost = (await callbridge.call_row(call.sid))["cost"]
    assert cost["telephony"] == "0.008500"
    assert float(cost["total"]) == round(float(cost["model"]) + 0.0085, 6)
    await callbridge.nothing_is_left()


async def test_when_the_day_has_cost_enough_nobody_is_phoned_any_more(callbridge: Harness):
    callbridge.sim.directory.phones[CALLEE] = Behaviour(answers_after_ms=50, hangs_up="never")
    agent_id = await callbridge.agent(greeting="Hello.", max_cost_per_call="0.0001")
    await callbridge.number(agent_id)
    await callbridge.api.put("/v1/guards", json={"max_cost_per_day": "0.0001"})
    placed = await callbridge.api.post("/v1/calls", json={"agent_id": agent_id, "to": CALLEE})
    assert placed.status_code == 201, placed.text
    await callbridge.ended(callbridge.sim.network.calls[placed.json()["twilio_call_sid"]])

    refused = await callbridge.api.post("/v1/calls", json={"agent_id": agent_id, "to": NEXT_CALLEE})
    assert refused.status_code == 422
    assert "have cost the 0.0001 US dollars" in refused.json()["detail"]
    assert len(callbridge.sim.network.calls) == 1
    log = (await callbridge.api.get("/v1/audit-log", params={"action": "call.placed"})).json()["items"]
    assert [entry["object_id"] for entry in log] == [placed.json()["id"]]
    await callbridge.nothing_is_left()
