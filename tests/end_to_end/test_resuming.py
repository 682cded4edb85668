"""Sockets break and processes stop; the caller is still in the conversation."""

from __future__ import annotations

from simulator.model.script import Asked, Heard, Say, Script, Step
from tests.end_to_end.harness import BOTH_WAYS, Harness

pytestmark = BOTH_WAYS


def two_turns() -> Script:
    return Script(
        Step(Asked(), Say("Hello, who is calling?")),
        Step(Heard("This is Ada."), Say("Good morning, Ada. What can I do for you?")),
    )


async def test_a_model_whose_socket_breaks_is_back_with_what_was_said(callbridge: Harness):
    callbridge.sim.model.script(two_turns())
    callbridge.sim.model.script(Script(Step(Heard("I want to order."), Say("Gladly."))))
    number = await callbridge.number(await callbridge.agent(greeting="Hello, who is calling?"))
    call = callbridge.dial(number, "This is Ada.", "I want to order.")
    await call.wait_for("agent stopped speaking", count=2)
    callbridge.sim.model.fail("reset")
    row = await callbridge.ended(call)
    assert row["ended_reason"] == "caller_hung_up"
    assert await callbridge.transcript(row["id"]) == [
        ("agent", "Hello, who is calling?"),
        ("caller", "This is Ada."),
        ("agent", "Good morning, Ada. What can I do for you?"),
        ("caller", "I want to order."),
        ("agent", "Gladly."),
    ]
    await callbridge.nothing_is_left()


async def test_a_stream_that_breaks_is_attached_again(callbridge: Harness):
    callbridge.sim.model.script(
        Script(
            Step(Asked(), Say("Hello, who is calling?")),
            Step(Heard("This is Ada."), Say("Good morning, Ada.")),
        )
    )
    number = await callbridge.number(await callbridge.agent(greeting="Hello, who is calling?"))
    call = callbridge.dial(number, "This is Ada.")
    await call.wait_for("agent stopped speaking")
    call.streams[0].fail("cut")
    row = await callbridge.ended(call)
    assert row["ended_reason"] == "caller_hung_up"
    assert len(call.streams) == 2
    assert await callbridge.transcript(row["id"]) == [
        ("agent", "Hello, who is calling?"),
        ("caller", "This is Ada."),
        ("agent", "Good morning, Ada."),
    ]
    assert callbridge.sim.model.stats.total_sessions == 1, "the session was kept warm"
    await callbridge.nothing_is_left()
