"""`<Dial>` as the phones at its ends hear it, and as its action is told."""

from __future__ import annotations

import pytest

from simulator.network.call import SimulatedCall
from simulator.phones.behaviour import Behaviour, Line
from simulator.simulator import Simulator
from tests.integration.simulator.test_media_stream_call import CALLER, NUMBER, Bridge, listens, practice

DESK, HOME, SIP = "+12125550177", "+12125550178", "sip:desk@pbx.example"


def says(text: str, *, after_ms: int = 0) -> Behaviour:
    return Behaviour(
        answers_after_ms=after_ms, lines=(Line(say=text, delay_ms=100),), hangs_up="after_answer"
    )


async def dialled(
    sim: Simulator, bridge: Bridge, dial: str, caller: Behaviour | None = None
) -> tuple[SimulatedCall, dict[str, str]]:
    """The call, once it is over, and what the action was told."""
    bridge.twiml["/voice"] = f"<Response>{dial}</Response>"
    call = sim.network.place_call(CALLER, NUMBER, caller or listens())
    await call.wait_until_over()
    return call, next(form for path, form in bridge.forms if path == "/dialled")


def others(sim: Simulator, call: SimulatedCall) -> dict[str, SimulatedCall]:
    legs = [leg for leg in sim.network.calls.values() if leg.record.parent_call_sid == call.sid]
    return {leg.record.to: leg for leg in legs}


async def test_several_ring_at_once_and_the_first_who_answers_is_joined() -> None:
    async with practice() as (sim, bridge):
        sim.directory.phones |= {DESK: says("Desk.", after_ms=300), HOME: says("Home.", after_ms=60_000)}
        call, told = await dialled(
            sim,
            bridge,
            f'<Dial action="/dialled"><Number>{HOME}</Number><Number>{DESK}</Number></Dial>',
            Behaviour(lines=(Line(say="It is me."),), hangs_up="never"),
        )
        legs = others(sim, call)
    assert call.heard == ["Desk."]
    assert legs[DESK].heard == ["It is me."]
    assert legs[HOME].record.status == "canceled"
    assert (told["DialCallSid"], told["DialCallStatus"]) == (legs[DESK].sid, "completed")
    assert told["DialBridged"] == "true"


@pytest.mark.parametrize(
    ("callee", "status"),
    [
        ("<Number>+12125550190</Number>", "busy"),
        ("<Number>+12125550191</Number>", "no-answer"),
        ("<Number>+12125550192</Number>", "failed"),
        ("<Number>+19002345678</Number>", "failed"),  # premium
        ("<Number>+8616812345678</Number>", "failed"),  # no permission for the country
        ("<Number>+15005550002</Number>", "failed"),  # one of Twilio's magic numbers
    ],
)
async def test_the_action_is_told_why_nobody_came_to_the_phone(callee: str, status: str) -> None:
    async with practice() as (sim, bridge):
        _, told = await dialled(sim, bridge, f'<Dial action="/dialled" timeout="1">{callee}</Dial>')
    assert told["DialCallStatus"] == status
    assert told["DialBridged"] == "false"
    assert told["CallStatus"] == "in-progress"


@pytest.mark.parametrize(
    ("caller_id", "status"),
    [("+14155550101", "completed"), (NUMBER, "completed"), ("+12125559999", "failed")],
)
async def test_a_caller_id_is_one_of_ours_or_of_the_two_on_the_call(caller_id: str, status: str) -> None:
    async with practice() as (sim, bridge):
        sim.directory.phones[DESK] = says("Desk.")
        call, told = await dialled(
            sim, bridge, f'<Dial action="/dialled" callerId="{caller_id}"><Number>{DESK}</Number></Dial>'
        )
        legs = others(sim, call)
    assert told["DialCallStatus"] == status
    if status == "completed":
        assert legs[DESK].record.from_ == caller_id
    else:
        assert not legs
        assert any("13214" in str(moment.data["text"]) for moment in call.story.all("warning"))


async def test_a_sip_address_is_rung_and_hears_the_whisper_first() -> None:
    """Only the one who picks up hears it; the caller hears nothing of it."""
    async with practice() as (sim, bridge):
        bridge.twiml["/whisper"] = "<Response><Say>A call from the agent.</Say></Response>"
        sim.directory.phones[SIP] = Behaviour(
            answers_after_ms=0, lines=(Line(say="Desk, hello."),), hangs_up="after_answer"
        )
        call, told = await dialled(
            sim,
            bridge,
            f'<Dial action="/dialled" answerOnBridge="true"><Sip url="/whisper">{SIP}</Sip></Dial>',
            Behaviour(lines=(Line(say="Hello there."),), hangs_up="never"),
        )
        leg = others(sim, call)[SIP]
    assert leg.heard == ["A call from the agent.", "Hello there."]
    assert call.heard == ["Desk, hello."]
    assert told["DialBridged"] == "true"
    whispered_ms = int(str(leg.story.all("agent stopped speaking")[0].data["spoke_ms"]))
    assert call.story.all("answered")[0].at_ms >= whispered_ms, "answerOnBridge: not before they are joined"


async def test_whoever_hangs_up_on_the_whisper_was_never_joined() -> None:
    async with practice() as (sim, bridge):
        bridge.twiml["/whisper"] = "<Response><Say>A call from the agent.</Say></Response>"
        sim.directory.phones[DESK] = Behaviour(answers_after_ms=0, hangs_up_after_ms=400)
        call, told = await dialled(
            sim, bridge, f'<Dial action="/dialled"><Number url="/whisper">{DESK}</Number></Dial>'
        )
    assert (told["DialCallStatus"], told["DialBridged"]) == ("completed", "false")
    assert call.heard == []


async def test_the_dialled_leg_has_its_own_status_callbacks() -> None:
    async with practice() as (sim, bridge):
        sim.directory.phones[DESK] = says("Desk.")
        call, _ = await dialled(
            sim,
            bridge,
            '<Dial action="/dialled"><Number statusCallback="/leg" statusCallbackEvent="ringing answered '
            f'completed">{DESK}</Number></Dial>',
        )
    legs = [form for path, form in bridge.forms if path == "/leg"]
    assert [form["CallStatus"] for form in legs] == ["ringing", "in-progress", "completed"]
    assert {form["ParentCallSid"] for form in legs} == {call.sid}
    assert {form["Direction"] for form in legs} == {"outbound-dial"}


async def test_a_caller_who_hangs_up_while_it_rings_is_told_to_the_action() -> None:
    async with practice() as (sim, bridge):
        sim.directory.phones[DESK] = Behaviour(pick_up="never_answers")
        call, told = await dialled(
            sim,
            bridge,
            f'<Dial action="/dialled"><Number>{DESK}</Number></Dial>',
            Behaviour(hangs_up_after_ms=400),
        )
        legs = others(sim, call)
    assert (told["CallStatus"], told["DialCallStatus"]) == ("completed", "no-answer")
    assert legs[DESK].record.status == "canceled"
