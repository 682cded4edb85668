"""Operators speak through the agent."""

from __future__ import annotations

from simulator.model.reply import Say
from simulator.model.script import Asked, Heard, Script, Step
from simulator.phones.behaviour import Line
from tests.end_to_end.harness import Harness

WORDS = "Your table is ready."
LONG = (
    "This call is about your order of twelve chairs and four tables, which will be brought to you tomorrow."
)


async def test_what_an_operator_wants_said_is_heard_word_for_word(callbridge: Harness):
    callbridge.sim.model.script(
        Script(Step(Asked("Hello."), Say("Hello.")), Step(Asked(f'"{WORDS}"'), Say(WORDS)))
    )
    agent = await callbridge.agent(greeting="Hello.")
    call = callbridge.dial(await callbridge.number(agent), hangs_up="never")
    await call.wait_for("agent stopped speaking")
    row = await callbridge.call_row(call.sid)
    answer = await callbridge.api.post(f"/v1/calls/{row['id']}/say", json={"text": WORDS})
    assert answer.status_code == 200, answer.text
    await call.wait_for("agent stopped speaking", count=2)
    call.hang_up()
    row = await callbridge.ended(call)
    assert callbridge.sim.model.problems == []
    assert call.heard == ["Hello.", WORDS]
    late = await callbridge.api.post(f"/v1/calls/{row['id']}/say", json={"text": WORDS})
    assert late.status_code == 409
    await callbridge.nothing_is_left()


async def test_what_must_be_heard_is_heard_to_its_end_and_the_caller_is_heard_too(callbridge: Harness):
    """The bridge does not go deaf: what was said into it is transcribed, and answered."""
    callbridge.sim.model.script(
        Script(
            Step(Asked("Hello."), Say("Hello.")),
            Step(Asked(LONG), Say(LONG)),
            Step(Heard("Wait a moment."), Say("Yes?")),
        )
    )
    agent = await callbridge.agent(greeting="Hello.")
    call = callbridge.dial(
        await callbridge.number(agent),
        Line(say="Wait a moment.", interrupt_after_ms=5_000),
        hangs_up="never",
    )
    await call.wait_for("agent stopped speaking")
    row = await callbridge.call_row(call.sid)
    wanted = {"text": LONG, "interruptible": False}
    answer = await callbridge.api.post(f"/v1/calls/{row['id']}/say", json=wanted)
    assert answer.status_code == 200, answer.text
    await call.wait_for("caller stopped speaking")
    await call.wait_for("agent stopped speaking", count=2)
    call.hang_up()
    row = await callbridge.ended(call)
    assert not call.story.all("cleared"), "nothing was cut"
    assert any(LONG in text for text in call.heard)
    lines = await callbridge.transcript(row["id"])
    assert ("agent", LONG) in lines
    assert ("caller", "Wait a moment.") in lines
    await callbridge.nothing_is_left()
