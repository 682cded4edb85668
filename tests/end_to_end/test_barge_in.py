"""The caller interrupts, and what the model is told it was heard to say is what the phone heard."""

from __future__ import annotations

from simulator.model.reply import Say
from simulator.model.script import Asked, Heard, Script, Step
from simulator.phones.behaviour import Line
from tests.end_to_end.harness import BOTH_WAYS, Harness

pytestmark = BOTH_WAYS

LONG = (
    "Welcome to Example. We are open from nine to five on weekdays, from ten to two on Saturdays, "
    "and we are closed on Sundays and on public holidays, when you can still leave a message."
)


async def test_an_interrupted_greeting_is_silenced_truncated_and_answered(callbridge: Harness):
    callbridge.sim.model.script(
        Script(Step(Asked(), Say(LONG)), Step(Heard("Are you open today?"), Say("Yes, until five.")))
    )
    number = await callbridge.number(await callbridge.agent(greeting=LONG))
    question = Line(say="Are you open today?", interrupt_after_ms=1500)
    call = callbridge.dial(number, question)
    row = await callbridge.ended(call)
    assert callbridge.sim.model.problems == []

    [stream] = call.streams
    [session] = callbridge.sim.model.stats.sessions
    [truncation] = session.truncations
    first = stream.playout.played[0]
    assert first.offset == 0
    assert abs(truncation.audio_end_ms - first.length / 8) <= 40, "heard, to two frames"
    assert truncation.audio_end_ms <= truncation.produced_ms
    assert session.errors == []

    lines = await callbridge.transcript(row["id"])
    assert [role for role, _ in lines] == ["agent", "caller", "agent"]
    assert LONG.startswith(lines[0][1])
    assert 0 < len(lines[0][1]) < len(LONG) / 2
    events = await callbridge.events(row["id"])
    assert "agent.interrupted" in [event["type"] for event in events]


async def test_the_bytes_that_are_played_are_the_bytes_that_the_model_spoke(callbridge: Harness):
    """Ragged deltas are cut into whole frames; nothing is added, lost or moved."""
    callbridge.sim.model.script(Script(Step(Asked(), Say("One two three four five six seven."))))
    number = await callbridge.number(await callbridge.agent(greeting="Count."))
    call = callbridge.dial(number, hangs_up_after_ms=6000)
    await callbridge.ended(call)
    assert call.heard == ["One two three four five six seven."], "the mark in the samples came through"
    [stream] = call.streams
    assert stream.warnings == []
    assert stream.playout.played_ms == stream.playout.received_bytes / 8
