"""The voice model fails in every way it can; the caller is still in the conversation, and is still known.

Each fault has a call of its own, all at the same time: most of a call is waiting.
"""

from __future__ import annotations

import asyncio

from simulator.model.handshake_faults import HandshakeFault
from simulator.model.session_faults import SessionFault
from simulator.network.call import SimulatedCall
from simulator.phones.behaviour import Behaviour, Line
from simulator.wire import SocketFault
from tests.end_to_end.harness import Harness

ECHO = "Repeat what the caller says. {{caller_number}} calls."
FALLBACK = "+12125550177"
NAMED = "My name is Ada."
ASKED = "What is my name?"
ANSWER = "You said that your name is Ada."
SPOKEN = [
    ("agent", "Hello."),
    ("caller", NAMED),
    ("agent", f"You said: {NAMED}"),
    ("caller", ASKED),
    ("agent", ANSWER),
]
LOSSES: tuple[SocketFault | SessionFault, ...] = (
    "close",
    "cut",
    "reset",
    "broken_frame",
    "expire",
    "black_hole",
)
STUMBLES: tuple[SocketFault, ...] = ("garbage", "slow_reader")
SILENCES: tuple[SessionFault, ...] = ("stall", "no_response", "silence")


async def echoing(callbridge: Harness, **agent: object) -> str:
    """A number answered by an agent that repeats what is said."""
    return await callbridge.number(await callbridge.agent(greeting="Hello.", prompt=ECHO, **agent))


def rings(callbridge: Harness, number: str, caller: str, *lines: str | Line) -> SimulatedCall:
    """Somebody who waits for as long as it takes; quick to speak, which keeps a test short."""
    said = tuple(Line(say=line) if isinstance(line, str) else line for line in lines)
    behaviour = Behaviour(lines=said, hangs_up="never", silence_ms=600, patience_ms=30_000)
    return callbridge.sim.network.place_call(caller, number, behaviour)


async def until_heard(call: SimulatedCall, text: str) -> None:
    count = 1
    while text not in " ".join(call.heard):
        await call.wait_for("agent stopped speaking", count=count, timeout_s=30)
        count += 1


async def remembered(callbridge: Harness, call: SimulatedCall) -> list[tuple[str, str]]:
    """The caller hears the answer that only who remembers can give, and hangs up; the transcript."""
    await until_heard(call, ANSWER)
    call.hang_up()
    row = await callbridge.ended(call)
    assert row["ended_reason"] == "caller_hung_up"
    return await callbridge.transcript(row["id"])


async def struck(
    callbridge: Harness, number: str, caller: str, fault: SocketFault | SessionFault
) -> list[tuple[str, str]]:
    """It happens as the caller begins to ask: what is said meanwhile is kept, and heard by the next one."""
    call = rings(callbridge, number, caller, NAMED, ASKED)
    await call.wait_for("caller started speaking", count=2)
    seconds = 0.5 if fault == "slow_reader" else 4.0
    assert callbridge.sim.model.fail(fault, about=caller, seconds=seconds) == 1
    return await remembered(callbridge, call)


async def test_whatever_happens_to_a_session_the_next_answer_comes_and_remembers(callbridge: Harness):
    number = await echoing(callbridge)
    every: list[SocketFault | SessionFault] = [*LOSSES, *STUMBLES, *SILENCES]
    faults = dict(zip((f"+1212555{place}" for place in range(1000, 1000 + len(every))), every, strict=True))
    transcripts = await asyncio.gather(*(struck(callbridge, number, *one) for one in faults.items()))
    for (caller, fault), transcript in zip(faults.items(), transcripts, strict=True):
        sessions = [one for one in callbridge.sim.model.stats.sessions if caller in one.instructions]
        assert [text for role, text in transcript if role == "caller"] == [NAMED, ASKED], fault
        if fault not in SILENCES:
            assert transcript == SPOKEN, fault
            assert len(sessions) == (2 if fault in LOSSES else 1), fault
        if fault in LOSSES:
            texts = [item.text for item in sessions[1].items]
            assert texts[:3] == [text for _, text in SPOKEN[:3]], fault
            assert sessions[1].errors == [], fault
    await callbridge.nothing_is_left()


async def test_a_model_that_lets_nobody_in_is_asked_again(callbridge: Harness):
    """And a connection that hangs is given up for another."""
    call = rings(callbridge, await echoing(callbridge), "+12125551000", NAMED, ASKED)
    await call.wait_for("caller started speaking", count=2)
    model, now = callbridge.sim.model, asyncio.get_running_loop().time()
    for fault in (
        *(HandshakeFault(status=status) for status in (429, 500, 503)),
        HandshakeFault(hang_s=30.0),
    ):
        model.handshake_faults.add(fault, now)
    model.fail("reset")
    assert await remembered(callbridge, call) == SPOKEN
    assert (model.stats.refused, model.stats.total_sessions) == (3, 2)


async def test_nobody_waits_in_silence_for_a_response_that_freezes(callbridge: Harness):
    """Before its first word, and in the middle of a sentence."""
    number = await echoing(callbridge)
    first = rings(callbridge, number, "+12125551000", "Are you there?")
    long = "I would like to know everything about your opening hours."
    second = rings(callbridge, number, "+12125551001", long)
    await first.wait_for("caller started speaking")
    callbridge.sim.model.fail("stall", about="+12125551000")
    asked = await first.wait_for("caller stopped speaking")
    sounded = await first.wait_for("agent started speaking", count=2)
    assert sounded.at_ms - asked.at_ms < 2800
    await second.wait_for("agent started speaking", count=2)
    callbridge.sim.model.fail("stall", about="+12125551001")
    await second.wait_for("agent stopped speaking", count=2)
    await second.wait_for("agent started speaking", count=3, timeout_s=8)
    for call in (first, second):
        call.hang_up()
        assert (await callbridge.ended(call))["ended_reason"] == "caller_hung_up"


async def test_a_model_that_stays_away_is_apologised_for_and_somebody_is_rung(callbridge: Harness):
    callbridge.sim.directory.phones[FALLBACK] = Behaviour(
        answers_after_ms=50, lines=(Line(say="Front desk, hello."),), hangs_up="after_lines"
    )
    number = await echoing(callbridge, fallback_number=FALLBACK)
    call = rings(callbridge, number, "+12125551000")
    await call.wait_for("agent started speaking")
    away = HandshakeFault(status=503, seconds=60.0)
    callbridge.sim.model.handshake_faults.add(away, asyncio.get_running_loop().time())
    callbridge.sim.model.fail("reset")
    row = await callbridge.ended(call)
    assert row["ended_reason"] == "model_lost"
    assert "Front desk, hello." in call.heard
    await callbridge.nothing_is_left()


async def test_a_model_that_refuses_us_from_now_on_is_not_asked_again(callbridge: Harness):
    call = rings(callbridge, await echoing(callbridge), "+12125551000")
    await call.wait_for("agent started speaking")
    callbridge.sim.model.behaviour.api_keys = frozenset()
    callbridge.sim.model.fail("reset")
    row = await callbridge.ended(call)
    assert row["ended_reason"] == "model_refused"
    assert callbridge.sim.model.stats.refused == 1
