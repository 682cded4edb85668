"""The agent phones somebody, and a machine answers."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.model.reply import CallFunction, Say
from simulator.model.script import Heard, Script, Step
from simulator.network.call import SimulatedCall
from simulator.phones.behaviour import Behaviour, Line, mailbox
from tests.end_to_end.harness import Harness
from tests.end_to_end.test_outbound_call import CALLEE, place

GREETING = "You have reached Ada. Leave a message after the tone."
MODEL_LISTENS_MS = 2_000
"""After the answer, at the latest: what is said before the media stream is there is heard by nobody."""
MESSAGE = "This is Lindgren Dental. Your appointment is tomorrow at nine."


async def dialled(
    callbridge: Harness, behaviour: Behaviour, on_machine: str, **more: Any
) -> tuple[dict[str, Any], SimulatedCall]:
    callbridge.sim.directory.phones[CALLEE] = behaviour
    agent_id = await callbridge.agent(voicemail={"on_machine": on_machine} | more)
    await callbridge.number(agent_id)
    _, call = await place(callbridge, agent_id)
    return await callbridge.ended(call), call


async def answered_by(callbridge: Harness, call_id: str) -> dict[str, Any]:
    events = await callbridge.events(call_id)
    return next(event["data"] for event in events if event["type"] == "call.answered_by")


async def test_a_message_is_left_after_the_beep_word_for_word_and_whole(callbridge: Harness):
    """Nothing of it is lost in the greeting, and the call ends when it has been heard."""
    row, call = await dialled(callbridge, mailbox(GREETING), "leave_message", message=MESSAGE)
    assert call.recorded is not None
    assert call.recorded.endswith(MESSAGE)
    assert (row["ended_reason"], row["answered_by"]) == ("voicemail", "machine_end_beep")
    assert await answered_by(callbridge, row["id"]) == {"answered_by": "machine_end_beep", "by": "twilio"}
    assert (await callbridge.transcript(row["id"]))[-1] == ("agent", MESSAGE)
    await callbridge.nothing_is_left()


async def test_a_machine_is_hung_up_on(callbridge: Harness):
    row, call = await dialled(callbridge, mailbox(GREETING), "hang_up")
    assert (row["ended_reason"], row["answered_by"]) == ("voicemail", "machine_start")
    assert call.recorded is None
    await callbridge.nothing_is_left()


async def test_the_agent_understands_what_twilio_took_for_a_person(callbridge: Harness):
    callbridge.sim.model.script(Script(Step(Heard(GREETING), CallFunction("report_voicemail", {}))))
    phone = Behaviour(
        answers_as="mailbox",
        taken_for="human",
        answers_after_ms=50,
        lines=(Line(say=GREETING, delay_ms=MODEL_LISTENS_MS),),
        hangs_up="never",
    )
    row, _ = await dialled(callbridge, phone, "hang_up")
    assert callbridge.sim.model.problems == []
    assert (row["ended_reason"], row["answered_by"]) == ("voicemail", "machine_start")
    events = await callbridge.events(row["id"])
    told = [event["data"]["by"] for event in events if event["type"] == "call.answered_by"]
    assert told == ["twilio", "agent"]
    await callbridge.nothing_is_left()


async def test_a_person_is_talked_to(callbridge: Harness):
    callbridge.sim.model.script(
        Script(
            Step(Heard("Hello?"), Say("Your order is ready.")),
            Step(Heard("Thank you."), Say("Goodbye."), CallFunction("end_call", {})),
        )
    )
    phone = Behaviour(
        answers_after_ms=50,
        lines=(Line(say="Hello?", delay_ms=MODEL_LISTENS_MS), Line(say="Thank you.")),
        hangs_up="never",
    )
    row, _ = await dialled(callbridge, phone, "hang_up")
    assert callbridge.sim.model.problems == []
    assert (row["ended_reason"], row["answered_by"]) == ("agent_hung_up", "human")
    await callbridge.nothing_is_left()


@pytest.mark.parametrize("behaviour", [Behaviour(pick_up="busy")])
async def test_nobody_is_nobody(callbridge: Harness, behaviour: Behaviour):
    row, _ = await dialled(callbridge, behaviour, "hang_up")
    assert (row["ended_reason"], row["answered_by"]) == ("not_answered", None)
