"""A person phones an agent and they talk."""

from __future__ import annotations

from simulator.model.reply import CallFunction, Say
from simulator.model.script import Asked, Heard, Script, Step
from tests.end_to_end.harness import BOTH_WAYS, Harness

pytestmark = BOTH_WAYS


async def test_the_agent_greets_listens_answers_and_says_goodbye(callbridge: Harness):
    callbridge.sim.model.script(
        Script(
            Step(Asked("Hello, this is Example."), Say("Hello, this is Example.")),
            Step(Heard("When do you open?"), Say("We open at nine.")),
            Step(Heard("Thanks, goodbye."), Say("Goodbye!"), CallFunction("end_call", {})),
        )
    )
    number = await callbridge.number(await callbridge.agent(greeting="Hello, this is Example."))
    call = callbridge.dial(number, "When do you open?", "Thanks, goodbye.", hangs_up="never")
    row = await callbridge.ended(call)
    assert callbridge.sim.model.problems == []
    assert call.heard == ["Hello, this is Example.", "We open at nine.", "Goodbye!"]
    assert (row["status"], row["ended_reason"]) == ("completed", "agent_hung_up")
    assert await callbridge.transcript(row["id"]) == [
        ("agent", "Hello, this is Example."),
        ("caller", "When do you open?"),
        ("agent", "We open at nine."),
        ("caller", "Thanks, goodbye."),
        ("agent", "Goodbye!"),
    ]
    assert row["latency"]["turns"] == 2
    assert row["usage"]["output_audio"] > 0
    types = [event["type"] for event in await callbridge.events(row["id"])]
    assert types[0] == "call.created"
    assert types[-1] == "call.ended"
    assert {"call.answered", "stream.started", "model.connected", "agent.started_speaking"} <= set(types)
    await callbridge.nothing_is_left()
