"""What is recorded is what was said and what was heard."""

from __future__ import annotations

from simulator.model.reply import Say
from simulator.model.script import Asked, Heard, Script, Step
from simulator.phones.behaviour import Line
from tests.end_to_end.harness import BOTH_WAYS, Harness
from tests.end_to_end.recorded import FRAME, download, sides, speeches

pytestmark = BOTH_WAYS

LONG = (
    "Welcome to Example. We are open from nine to five on weekdays, from ten to two on Saturdays, "
    "and we are closed on Sundays and on public holidays, when you can still leave a message."
)
NOTICE = "This call is recorded."


async def test_both_sides_are_recorded_sample_for_sample(callbridge: Harness):
    callbridge.sim.model.script(
        Script(Step(Asked(), Say("Good day.")), Step(Heard("Are you open today?"), Say("Yes, until five.")))
    )
    number = await callbridge.number(await callbridge.agent(greeting="Good day.", record=True))
    call = callbridge.dial(number, "Are you open today?")
    row = await callbridge.ended(call)
    caller, agent = await download(callbridge, row["id"])
    assert call.line is not None
    for recorded, real, count in ((caller, call.line.said, 1), (agent, call.line.heard, 2)):
        ours, theirs = speeches(recorded), speeches(bytes(real))
        assert [sound for _, sound in ours] == [sound for _, sound in theirs]
        assert len(ours) == count
    said, heard = speeches(caller)[0][0], [at for at, _ in speeches(agent)]
    really_said, really_heard = (speeches(bytes(real))[0][0] for real in (call.line.said, call.line.heard))
    apart = (heard[0] - said) - (really_heard - really_said)
    assert abs(apart) <= 6 * FRAME, "the ear hears a network and a jitter buffer later"

    types = [event["type"] for event in await callbridge.events(row["id"])]
    assert types.index("recording.started") < types.index("recording.ready") < types.index("call.ended")


async def test_of_an_interrupted_answer_only_what_was_heard_is_recorded(callbridge: Harness):
    callbridge.sim.model.script(
        Script(Step(Asked(), Say(LONG)), Step(Heard("Are you open today?"), Say("Yes, until five.")))
    )
    number = await callbridge.number(await callbridge.agent(greeting=LONG, record=True))
    call = callbridge.dial(number, Line(say="Are you open today?", interrupt_after_ms=1500))
    row = await callbridge.ended(call)
    _, agent = await download(callbridge, row["id"])
    [stream] = call.streams
    first = stream.playout.played[0]
    assert call.line is not None
    cut, real = speeches(agent)[0][1], speeches(bytes(call.line.heard))[0][1]
    assert abs(len(cut) - first.length) <= 2 * FRAME
    shorter = min(len(cut), len(real))
    assert cut[:shorter] == real[:shorter]


async def test_a_caller_is_told_before_anything_else(callbridge: Harness):
    callbridge.sim.model.script(Script(Step(Asked(), Say(f"{NOTICE} Good day."))))
    number = await callbridge.number(
        await callbridge.agent(greeting="Good day.", record=True, recording_announcement=NOTICE)
    )
    call = callbridge.dial(number, Line(say="Hello?", interrupt_after_ms=200), hangs_up_after_ms=6000)
    row = await callbridge.ended(call)
    [session] = callbridge.sim.model.stats.sessions
    assert session.truncations == [], "it is heard to its end"
    events = await callbridge.events(row["id"])
    told = next(event for event in events if event["type"] == "recording.announced")
    started = next(event for event in events if event["type"] == "agent.started_speaking")
    assert told["offset_ms"] > started["offset_ms"]


async def test_a_call_that_is_up_can_be_heard_so_far(callbridge: Harness):
    callbridge.sim.model.script(
        Script(Step(Asked(), Say("Good day.")), Step(Heard("Are you open today?"), Say("Yes, until five.")))
    )
    number = await callbridge.number(await callbridge.agent(greeting="Good day.", record=True))
    call = callbridge.dial(number, "Are you open today?", hangs_up_after_ms=9000)
    await call.wait_for("agent stopped speaking", count=2)
    path = f"/v1/calls/{(await callbridge.call_row(call.sid))['id']}/recording"
    so_far = await callbridge.api.get(path)
    assert so_far.status_code == 200
    caller, agent = sides(so_far.content)
    assert speeches(caller) and speeches(agent), "what was said seconds ago is there"
    await callbridge.ended(call)
    whole = await callbridge.api.get(path)
    assert whole.content[58:].startswith(so_far.content[58:])
    assert whole.headers["etag"] != so_far.headers["etag"]


async def test_a_call_whose_stream_broke_is_one_recording(callbridge: Harness):
    """Silence where there was no stream; everything else at its time."""
    callbridge.sim.model.script(
        Script(
            Step(Asked(), Say("Hello, who is calling?")),
            Step(Heard("This is Ada."), Say("Good morning, Ada.")),
        )
    )
    number = await callbridge.number(await callbridge.agent(greeting="Hello, who is calling?", record=True))
    call = callbridge.dial(number, "This is Ada.")
    await call.wait_for("agent stopped speaking")
    call.streams[0].fail("cut")
    row = await callbridge.ended(call)
    assert len(call.streams) == 2
    _, agent = await download(callbridge, row["id"])
    assert call.line is not None
    ours, theirs = speeches(agent), speeches(bytes(call.line.heard))
    assert [sound for _, sound in ours] == [sound for _, sound in theirs]
    apart, really_apart = (found[1][0] - found[0][0] for found in (ours, theirs))
    assert abs(apart - really_apart) < 400 * 8, "two streams are placed by our clock, a network away"
    events = [event["type"] for event in await callbridge.events(row["id"])]
    assert (events.count("recording.started"), events.count("recording.ready")) == (2, 1)
