"""The agent phones somebody."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.model.reply import CallFunction, Say
from simulator.model.script import Asked, Heard, Script, Step
from simulator.network.call import SimulatedCall
from simulator.phones.behaviour import Behaviour, Line
from tests.end_to_end.harness import Harness

CALLEE = "+12125550123"


async def place(
    callbridge: Harness, agent_id: str, from_: str | None = None, **body: Any
) -> tuple[dict[str, Any], SimulatedCall]:
    wanted = {"agent_id": agent_id, "to": CALLEE} | ({"from": from_} if from_ else {}) | body
    answer = await callbridge.api.post("/v1/calls", json=wanted)
    assert answer.status_code == 201, answer.text
    placed = answer.json()
    return placed, callbridge.sim.network.calls[placed["twilio_call_sid"]]


async def test_a_dialled_phone_is_greeted_once_it_is_answered(callbridge: Harness):
    callbridge.sim.directory.phones[CALLEE] = Behaviour(
        answers_after_ms=400, lines=(Line(say="Yes, it is."),), hangs_up="never"
    )
    callbridge.sim.model.script(
        Script(
            Step(Asked("Hello, is this Ann?"), Say("Hello, is this Ann?")),
            Step(Heard("Yes, it is."), Say("Your order is ready. Goodbye."), CallFunction("end_call", {})),
        )
    )
    number = await callbridge.number(await callbridge.agent())
    agent_id = await callbridge.agent(greeting="Hello, is this {{name}}?")
    placed, call = await place(callbridge, agent_id, from_=number, variables={"name": "Ann"})
    assert (placed["direction"], placed["to"]) == ("outbound", CALLEE)
    row = await callbridge.ended(call)
    assert callbridge.sim.model.problems == []
    assert (row["status"], row["ended_reason"]) == ("completed", "agent_hung_up")
    assert await callbridge.transcript(row["id"]) == [
        ("agent", "Hello, is this Ann?"),
        ("caller", "Yes, it is."),
        ("agent", "Your order is ready. Goodbye."),
    ]
    assert callbridge.sim.model.stats.total_sessions == 1, "one model session per call throughout"
    await callbridge.nothing_is_left()


@pytest.mark.parametrize(
    ("pick_up", "status", "reason"),
    [("busy", "busy", "not_answered"), ("unreachable", "failed", "dial_failed")],
)
async def test_a_phone_that_is_not_answered_costs_no_model_session_for_long(
    callbridge: Harness, pick_up: Any, status: str, reason: str
):
    callbridge.sim.directory.phones[CALLEE] = Behaviour(pick_up=pick_up)
    agent_id = await callbridge.agent()
    await callbridge.number(agent_id)
    _, call = await place(callbridge, agent_id)
    row = await callbridge.ended(call)
    assert (row["status"], row["ended_reason"]) == (status, reason)
    assert row["answered_at"] is None
    await callbridge.nothing_is_left()


async def test_an_operator_hangs_up_on_a_ringing_phone(callbridge: Harness):
    callbridge.sim.directory.phones[CALLEE] = Behaviour(pick_up="never_answers")
    agent_id = await callbridge.agent()
    await callbridge.number(agent_id)
    placed, call = await place(callbridge, agent_id)
    await call.wait_for("ringing")
    answer = await callbridge.api.post(f"/v1/calls/{placed['id']}/hangup")
    assert answer.status_code < 300, answer.text
    row = await callbridge.ended(call)
    assert row["status"] in ("canceled", "completed")
    assert row["ended_reason"] in ("operator_hung_up", "canceled")
    await callbridge.nothing_is_left()


async def test_an_operator_hangs_up_on_a_live_call(callbridge: Harness):
    callbridge.sim.directory.phones[CALLEE] = Behaviour(answers_after_ms=50, hangs_up="never")
    agent_id = await callbridge.agent(greeting="Hello.")
    await callbridge.number(agent_id)
    placed, call = await place(callbridge, agent_id)
    await call.wait_for("agent started speaking")
    answer = await callbridge.api.post(f"/v1/calls/{placed['id']}/hangup")
    assert answer.status_code < 300, answer.text
    row = await callbridge.ended(call)
    assert (row["status"], row["ended_reason"]) == ("completed", "operator_hung_up")
    again = await callbridge.api.post(f"/v1/calls/{placed['id']}/hangup")
    assert again.status_code == 409
    await callbridge.nothing_is_left()
