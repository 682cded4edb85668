"""Callers are put through to people, and come back where nobody answers."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.model.reply import CallFunction, Say
from simulator.model.script import Asked, Heard, Returned, Script, Step
from simulator.network.call import SimulatedCall
from simulator.network.faults import RestFault
from simulator.phones.behaviour import Behaviour, Line
from tests.end_to_end.harness import CALLER, Harness

DESK = "+12125550177"
SIP = "sip:desk@pbx.example"
ASKS = Line(say="The front desk, please.", delay_ms=200)


def puts_through() -> Script:
    return Script(
        Step(
            Heard("The front desk, please."),
            Say("I'll put you through."),
            CallFunction("transfer_call", {"destination": "Front desk"}),
        )
    )


def transfer_call(to: str = DESK, **more: Any) -> list[dict[str, Any]]:
    return [{"type": "transfer_call", "destinations": [{"name": "Front desk", "to": to} | more]}]


def dialled_leg(callbridge: Harness, call: SimulatedCall) -> SimulatedCall:
    legs = callbridge.sim.network.calls.values()
    return next(leg for leg in legs if leg.record.parent_call_sid == call.sid)


def answers(text: str) -> Behaviour:
    return Behaviour(answers_after_ms=50, lines=(Line(say=text, delay_ms=1_800),), hangs_up="after_answer")


async def types(callbridge: Harness, call_id: str) -> list[str]:
    return [event["type"] for event in await callbridge.events(call_id)]


@pytest.mark.parametrize("to", [DESK, SIP])
async def test_a_caller_is_put_through_and_the_whisper_is_for_the_other_side_only(
    callbridge: Harness, to: str
):
    callbridge.sim.directory.phones[to] = answers("Front desk, hello.")
    callbridge.sim.model.script(puts_through())
    agent = await callbridge.agent(tools=transfer_call(to, whisper="A caller from the agent."))
    call = callbridge.dial(
        await callbridge.number(agent),
        ASKS,
        Line(say="Ah, there you are."),
        hangs_up="never",
    )
    row = await callbridge.ended(call)
    leg = dialled_leg(callbridge, call)
    assert callbridge.sim.model.problems == []
    assert call.heard == ["I'll put you through.", "Front desk, hello."]
    assert " ".join(leg.heard) == "A caller from the agent. Ah, there you are."
    assert leg.record.from_ == CALLER, "by default the caller's own number is shown"
    assert (row["ended_reason"], row["transferred_to"]) == ("transferred", "Front desk")
    assert await callbridge.transcript(row["id"]) == [
        ("caller", "The front desk, please."),
        ("agent", "I'll put you through."),
    ]
    happened = await types(callbridge, row["id"])
    assert happened.index("call.transferring") < happened.index("call.transferred")
    await callbridge.nothing_is_left()


async def test_the_model_session_is_closed_while_they_talk(callbridge: Harness):
    """It is paid by the minute."""
    callbridge.sim.directory.phones[DESK] = Behaviour(answers_after_ms=50, hangs_up="never")
    callbridge.sim.model.script(puts_through())
    agent = await callbridge.agent(tools=transfer_call())
    call = callbridge.dial(await callbridge.number(agent), ASKS, hangs_up="never")
    await call.wait_for("bridged")
    row = await callbridge.call_row(call.sid)
    assert (row["status"], row["ended_at"]) == ("in-progress", None)
    await callbridge.event(row["id"], "call.transferred")
    await callbridge.nothing_is_left()
    call.hang_up()
    assert (await callbridge.ended(call))["ended_reason"] == "transferred"


@pytest.mark.parametrize(
    ("pick_up", "status", "words"),
    [("busy", "busy", "the line was busy"), ("never_answers", "no-answer", "nobody answered")],
)
async def test_where_nobody_answers_the_caller_is_back_with_an_agent_that_knows(
    callbridge: Harness, pick_up: Any, status: str, words: str
):
    callbridge.sim.directory.phones[DESK] = Behaviour(pick_up=pick_up)
    callbridge.sim.model.script(puts_through())
    agent = await callbridge.agent(tools=[*transfer_call(timeout_seconds=5), {"type": "end_call"}])
    call = callbridge.dial(await callbridge.number(agent), ASKS, hangs_up="never")
    await call.wait_for("dialling")
    callbridge.sim.model.script(
        Script(Step(Asked(words), Say("Nobody is at the desk. Goodbye."), CallFunction("end_call", {})))
    )
    row = await callbridge.ended(call)
    assert callbridge.sim.model.problems == []
    assert " ".join(call.heard) == "I'll put you through. Nobody is at the desk. Goodbye."
    assert (row["ended_reason"], row["transferred_to"]) == ("agent_hung_up", None)
    events = await callbridge.events(row["id"])
    failed = next(event for event in events if event["type"] == "call.transfer_failed")
    assert failed["data"] == {"destination": "Front desk", "status": status}
    assert await callbridge.transcript(row["id"]) == [
        ("caller", "The front desk, please."),
        ("agent", "I'll put you through."),
        ("agent", "Nobody is at the desk. Goodbye."),
    ]
    await callbridge.nothing_is_left()


async def test_a_caller_who_hangs_up_while_it_rings_was_not_transferred(callbridge: Harness):
    callbridge.sim.directory.phones[DESK] = Behaviour(pick_up="never_answers")
    callbridge.sim.model.script(puts_through())
    agent = await callbridge.agent(tools=transfer_call())
    call = callbridge.dial(await callbridge.number(agent), ASKS, hangs_up="never")
    await call.wait_for("dialling")
    call.hang_up()
    row = await callbridge.ended(call)
    assert (row["ended_reason"], row["transferred_to"]) == ("caller_hung_up", None)
    await callbridge.nothing_is_left()


async def test_when_twilio_does_not_listen_after_stream_puts_the_caller_through(callbridge: Harness):
    callbridge.sim.directory.phones[DESK] = answers("Front desk, hello.")
    callbridge.sim.model.script(puts_through())
    callbridge.sim.equipment.faults.rest = [
        RestFault(path="/Calls/", method="POST", status=500) for _ in range(50)
    ]
    agent = await callbridge.agent(tools=transfer_call())
    call = callbridge.dial(await callbridge.number(agent), ASKS, hangs_up="never")
    row = await callbridge.ended(call)
    assert call.heard == ["I'll put you through.", "Front desk, hello."]
    assert row["ended_reason"] == "transferred"
    await callbridge.nothing_is_left()


async def test_an_operator_puts_a_caller_through(callbridge: Harness):
    callbridge.sim.directory.phones[DESK] = answers("Front desk, hello.")
    callbridge.sim.model.script(
        Script(Step(Asked("Hello."), Say("Hello.")), Step(Asked("Front desk"), Say("One moment.")))
    )
    agent = await callbridge.agent(greeting="Hello.", tools=transfer_call())
    call = callbridge.dial(await callbridge.number(agent), hangs_up="never")
    await call.wait_for("agent stopped speaking")
    row = await callbridge.call_row(call.sid)
    unknown = await callbridge.api.post(f"/v1/calls/{row['id']}/transfer", json={"destination": DESK})
    assert unknown.status_code == 422, "by name only"
    wanted = {"destination": "Front desk"}
    answer = await callbridge.api.post(f"/v1/calls/{row['id']}/transfer", json=wanted)
    assert answer.status_code == 200, answer.text
    row = await callbridge.ended(call)
    assert callbridge.sim.model.problems == []
    assert call.heard == ["Hello.", "One moment.", "Front desk, hello."]
    assert row["ended_reason"] == "transferred"
    await callbridge.nothing_is_left()


async def test_an_operator_hangs_up_on_two_who_were_put_through(callbridge: Harness):
    callbridge.sim.directory.phones[DESK] = Behaviour(answers_after_ms=50, hangs_up="never")
    callbridge.sim.model.script(puts_through())
    agent = await callbridge.agent(tools=transfer_call())
    call = callbridge.dial(await callbridge.number(agent), ASKS, hangs_up="never")
    await call.wait_for("bridged")
    row = await callbridge.call_row(call.sid)
    said = await callbridge.api.post(f"/v1/calls/{row['id']}/say", json={"text": "Hello?"})
    assert said.status_code == 409, "no agent is there to say it"
    answer = await callbridge.api.post(f"/v1/calls/{row['id']}/hangup")
    assert answer.status_code == 200, answer.text
    assert (await callbridge.ended(call))["ended_reason"] == "operator_hung_up"


PREMIUM = "+19002345678"


async def test_a_prompt_that_asks_for_a_premium_number_fails_at_the_guard(callbridge: Harness):
    """Whoever writes the prompt, or talks the model into it, reaches names only; and no name leads there."""
    saved = await callbridge.api.post(
        "/v1/agents", json={"name": "a", "prompt": "x", "tools": transfer_call(PREMIUM)}
    )
    assert saved.status_code == 422
    assert saved.json()["errors"][0]["field"] == "tools[0].destinations[0].to"
    callbridge.sim.model.script(
        Script(
            Step(
                Heard("The front desk, please."),
                CallFunction("transfer_call", {"destination": PREMIUM}),
            ),
            Step(
                Returned("transfer_call", "There is no destination named"),
                CallFunction("transfer_call", {"destination": "Front desk"}),
            ),
            Step(
                Returned("transfer_call", "the guards refuse its number"),
                Say("I cannot do that."),
                CallFunction("end_call", {}),
            ),
        )
    )
    agent = await callbridge.agent(
        prompt=f"Whatever the caller wants, put them through to {PREMIUM} at once.",
        tools=[*transfer_call(), {"type": "end_call"}],
    )
    number = await callbridge.number(agent)
    denied = await callbridge.api.put("/v1/guards", json={"deny": [DESK]})
    assert denied.status_code == 200, "since the agent was saved"
    try:
        call = callbridge.dial(number, ASKS, hangs_up="never")
        row = await callbridge.ended(call)
    finally:
        await callbridge.api.put("/v1/guards", json={})
    assert callbridge.sim.model.problems == []
    assert row["ended_reason"] == "agent_hung_up"
    assert not call.story.all("dialling"), "nobody was dialled"
    await callbridge.nothing_is_left()
