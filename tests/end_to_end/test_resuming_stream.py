"""Twilio's media socket fails in every way it can; the caller is still in the conversation."""

from __future__ import annotations

import asyncio

from simulator.network.call import SimulatedCall
from simulator.phones.behaviour import Behaviour, Line
from simulator.wire import SocketFault
from tests.end_to_end.harness import BOTH_WAYS, Harness
from tests.end_to_end.test_resuming_model import (
    ASKED,
    FALLBACK,
    NAMED,
    SPOKEN,
    echoing,
    remembered,
    rings,
    until_heard,
)

BREAKS: tuple[SocketFault, ...] = ("close", "cut", "reset", "broken_frame")
STUMBLES: tuple[SocketFault, ...] = ("garbage", "slow_reader")


def asked_after_stream(call: SimulatedCall) -> list[str]:
    """What Twilio asked when a stream had ended, by CallStatus."""
    return [one.parameters["CallStatus"] for one in call.webhooks if "/after-stream/" in one.url]


async def struck(callbridge: Harness, number: str, caller: str, fault: SocketFault) -> SimulatedCall:
    """In a pause: what is said while there is no socket is heard by nobody."""
    call = rings(callbridge, number, caller, NAMED, Line(say=ASKED, delay_ms=7_500))
    await call.wait_for("agent stopped speaking", count=2)
    call.streams[0].fail(fault, seconds=1.0 if fault == "slow_reader" else None)
    lines = await remembered(callbridge, call)
    spoken_up = [line for line in lines if line[1].startswith("Sorry, the")]
    assert [line for line in lines if line not in spoken_up] == SPOKEN, fault
    assert bool(spoken_up) is (fault == "black_hole"), "something may have been said in vain"
    return call


@BOTH_WAYS
async def test_whatever_happens_to_a_stream_the_conversation_goes_on_with_the_same_session(
    callbridge: Harness,
):
    number = await echoing(callbridge)
    faults: list[SocketFault] = [*BREAKS, *STUMBLES, "black_hole"]
    calls = await asyncio.gather(
        *(struck(callbridge, number, f"+1212555{n}", fault) for n, fault in enumerate(faults, 1000))
    )
    for fault, call in zip(faults, calls, strict=True):
        assert len(call.streams) == (1 if fault in STUMBLES else 2), fault
        # Nobody waits for Twilio to notice that a socket is dead: it is told.
        expected = ["in-progress"] if fault in BREAKS else []
        assert [status for status in asked_after_stream(call) if status != "completed"] == expected, fault
    assert callbridge.sim.model.stats.total_sessions == len(faults), "each was kept warm"
    await callbridge.nothing_is_left()


async def test_an_answer_that_was_cut_by_a_broken_stream_is_finished(callbridge: Harness):
    long = "I would like to know everything about your opening hours."
    call = rings(callbridge, await echoing(callbridge), "+12125551000", long)
    await call.wait_for("agent started speaking", count=2)
    await call.until_played(2_500)
    call.streams[0].fail("cut")
    await until_heard(call, "as I was saying")
    call.hang_up()
    row = await callbridge.ended(call)
    _, begun, rest = [text for role, text in await callbridge.transcript(row["id"]) if role == "agent"]
    whole = f"You said: {long}"
    assert whole.startswith(begun) and len(begun) < len(whole), "it holds what was heard"
    assert rest.removeprefix("Sorry, as I was saying: ") in whole, "and the other one holds the rest"


async def test_a_caller_who_hangs_up_while_the_stream_is_down_is_gone(callbridge: Harness):
    call = rings(callbridge, await echoing(callbridge), "+12125551000")
    await call.wait_for("agent started speaking")
    call.streams[0].fail("cut")
    await call.wait_for("stream ended")
    call.hang_up()
    row = await callbridge.ended(call)
    assert row["ended_reason"] == "caller_hung_up"
    await callbridge.nothing_is_left()


async def test_streams_that_are_always_refused_end_in_an_apology_and_the_fallback(callbridge: Harness):
    """Never an endless loop of paid sessions."""
    callbridge.sim.directory.phones[FALLBACK] = Behaviour(
        answers_after_ms=50, lines=(Line(say="Front desk, hello."),), hangs_up="after_lines"
    )
    number = await echoing(callbridge, fallback_number=FALLBACK)
    callbridge.sim.equipment.faults.refuse_streams = 1000
    call = rings(callbridge, number, "+12125551000")
    row = await callbridge.ended(call)
    assert row["ended_reason"] == "stream_lost"
    assert "Front desk, hello." in call.heard
    assert len(call.streams) <= 4
    assert callbridge.sim.model.stats.total_sessions == 1
    await callbridge.nothing_is_left()
