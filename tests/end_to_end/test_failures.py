"""Whatever goes wrong, the caller hears something and the row says what."""

from __future__ import annotations

import asyncio
import base64

import pytest

from lines.built_in import built_in
from simulator.model.handshake_faults import HandshakeFault
from simulator.model.reply import Fail, Say, SendRaw
from simulator.model.script import Asked, Heard, Script, Step
from simulator.network.faults import RestFault
from simulator.phones.behaviour import Behaviour, Line
from tests.end_to_end.harness import Harness

FALLBACK = "+12125550177"


@pytest.mark.parametrize("how", ["close", "status"])
async def test_a_model_that_refuses_the_key_is_apologised_for(callbridge: Harness, how: str):
    callbridge.sim.model.behaviour.api_keys = frozenset({"another key"})
    callbridge.sim.model.behaviour.refuse_key_by = how  # pyright: ignore[reportAttributeAccessIssue] (a parameter)
    number = await callbridge.number(await callbridge.agent(greeting="Hello."))
    call = callbridge.dial(number, hangs_up="never")
    row = await callbridge.ended(call)
    assert call.story.all("network says"), "the caller was told"
    assert (row["status"], row["ended_reason"]) == ("completed", "model_refused")
    assert row["error"]["code"]
    await callbridge.nothing_is_left()


async def test_the_fallback_number_is_rung_after_the_apology(callbridge: Harness):
    callbridge.sim.directory.phones[FALLBACK] = Behaviour(
        answers_after_ms=50, lines=(Line(say="Front desk, hello."),), hangs_up="after_lines"
    )
    callbridge.sim.model.behaviour.api_keys = frozenset()
    number = await callbridge.number(await callbridge.agent(greeting="Hello.", fallback_number=FALLBACK))
    call = callbridge.dial(number, hangs_up="never")
    row = await callbridge.ended(call)
    assert "Front desk, hello." in call.heard
    assert row["ended_reason"] == "model_refused"


async def test_a_model_that_does_not_come_back_is_apologised_for(callbridge: Harness):
    callbridge.sim.model.script(Script(Step(Asked(), Say("Hello, how can I help you?"))))
    number = await callbridge.number(await callbridge.agent(greeting="Hello."))
    call = callbridge.dial(number, hangs_up="never")
    await call.wait_for("agent stopped speaking")
    now = asyncio.get_running_loop().time()
    callbridge.sim.model.handshake_faults.add(HandshakeFault(status=503, seconds=60), now)
    callbridge.sim.model.fail("reset")
    row = await callbridge.ended(call)
    assert call.heard[0] == "Hello, how can I help you?"
    assert row["ended_reason"] == "model_lost"
    await callbridge.nothing_is_left()


async def test_one_failed_answer_is_asked_for_again_and_nobody_notices(callbridge: Harness):
    callbridge.sim.model.script(
        Script(
            Step(Heard("Hello?"), Fail("server_error")),
            Step(Asked(), Say("Hello, how can I help you?")),
        )
    )
    number = await callbridge.number(await callbridge.agent())
    call = callbridge.dial(number, Line(say="Hello?", delay_ms=300))
    row = await callbridge.ended(call)
    assert callbridge.sim.model.problems == []
    assert call.heard == ["Hello, how can I help you?"]
    assert row["ended_reason"] == "caller_hung_up"


async def test_a_session_that_stays_with_pcm_is_never_heard(callbridge: Harness):
    """24 kHz PCM on a telephone line is loud noise."""
    callbridge.sim.model.behaviour.keeps_pcm = True
    number = await callbridge.number(await callbridge.agent(greeting="Hello."))
    call = callbridge.dial(number, hangs_up="never")
    row = await callbridge.ended(call)
    apology = len(base64.b64decode(built_in().apology.payload))
    assert [stream.playout.received_bytes for stream in call.streams] == [apology]
    assert row["error"]["code"] == "format_mismatch"


async def test_unknown_and_broken_events_of_the_model_change_nothing(callbridge: Harness):
    callbridge.sim.model.behaviour.unknown_events = True
    callbridge.sim.model.behaviour.obfuscation = True
    callbridge.sim.model.behaviour.item_done_first = True
    callbridge.sim.model.behaviour.usage = False
    raw = ("{", "[]", '{"type":"response.done","response":7}', '{"type":5}', "\x00")
    callbridge.sim.model.script(
        Script(
            Step(Asked(), *(SendRaw(frame) for frame in raw), Say("Hello.")), Step(Heard("Hi."), Say("Yes?"))
        )
    )
    number = await callbridge.number(await callbridge.agent(greeting="Hello."))
    call = callbridge.dial(number, "Hi.")
    row = await callbridge.ended(call)
    assert call.heard == ["Hello.", "Yes?"]
    assert row["ended_reason"] == "caller_hung_up"


async def test_a_caller_who_hangs_up_during_the_greeting(callbridge: Harness):
    number = await callbridge.number(
        await callbridge.agent(greeting="Hello, this is a rather long greeting.")
    )
    call = callbridge.dial(number, hangs_up="never")
    await call.wait_for("agent started speaking")
    call.hang_up()
    row = await callbridge.ended(call)
    assert (row["status"], row["ended_reason"]) == ("completed", "caller_hung_up")
    await callbridge.nothing_is_left()


async def test_a_caller_who_hangs_up_before_the_stream_is_there(callbridge: Harness):
    number = await callbridge.number(await callbridge.agent(greeting="Hello."))
    call = callbridge.dial(number, hangs_up="never")
    await call.wait_for("webhook")
    call.hang_up()
    await call.wait_until_over()
    await callbridge.nothing_is_left()
    row = await callbridge.call_row(call.sid)
    assert row["ended_reason"] == "caller_hung_up"


async def test_garbage_on_the_media_socket_changes_nothing(callbridge: Harness):
    callbridge.sim.model.script(Script(Step(Asked(), Say("Hello.")), Step(Heard("Hi."), Say("Yes?"))))
    number = await callbridge.number(await callbridge.agent(greeting="Hello."))
    call = callbridge.dial(number, "Hi.")
    await call.wait_for("stream started")
    for text in (
        "{",
        "[]",
        "null",
        '{"event":"new"}',
        '{"event":"media"}',
        '{"event":"mark","mark":{"name":"9"}}',
        "x" * 70_000,
    ):
        call.streams[0].send_text(text)
    await callbridge.ended(call)
    assert call.heard == ["Hello.", "Yes?"]


async def test_a_ten_megabyte_message_ends_that_stream_and_nothing_else(callbridge: Harness):
    number = await callbridge.number(await callbridge.agent(greeting="Hello."))
    call = callbridge.dial(number, hangs_up="never")
    await call.wait_for("agent started speaking")
    call.streams[0].send_text("x" * 10_000_000)
    await call.wait_for("stream started", count=2)
    call.hang_up()
    row = await callbridge.ended(call)
    assert row["ended_reason"] == "caller_hung_up"
    second = callbridge.dial(number)
    await second.wait_for("agent started speaking")
    second.hang_up()
    await callbridge.ended(second)


async def test_repeated_and_reordered_webhooks_make_one_call(callbridge: Harness):
    callbridge.sim.equipment.faults.duplicate_callbacks = True
    callbridge.sim.equipment.faults.reorder_callbacks = True
    callbridge.sim.directory.phones[FALLBACK] = Behaviour(answers_after_ms=100, hangs_up_after_ms=1500)
    agent_id = await callbridge.agent(greeting="Hello.")
    await callbridge.number(agent_id)
    placed = (await callbridge.api.post("/v1/calls", json={"agent_id": agent_id, "to": FALLBACK})).json()
    call = callbridge.sim.network.calls[placed["twilio_call_sid"]]
    row = await callbridge.ended(call)
    assert (row["status"], row["ended_reason"]) == ("completed", "caller_hung_up")
    types = [event["type"] for event in await callbridge.events(row["id"])]
    assert types.count("call.ended") == types.count("call.answered") == 1
    assert callbridge.sim.model.stats.total_sessions == 1


async def test_a_call_that_twilio_never_confirmed_is_not_dialled_twice(callbridge: Harness):
    """The REST answer is lost, the callbacks teach us the CallSid."""
    callbridge.sim.equipment.faults.rest.append(RestFault(path="Calls.json", method="POST", lose_answer=True))
    callbridge.sim.directory.phones[FALLBACK] = Behaviour(answers_after_ms=300, hangs_up_after_ms=1500)
    agent_id = await callbridge.agent(greeting="Hello.")
    await callbridge.number(agent_id)
    answer = await callbridge.api.post("/v1/calls", json={"agent_id": agent_id, "to": FALLBACK})
    assert (answer.status_code, answer.json()["status"]) == (201, "queued")
    [call] = callbridge.sim.network.calls.values()
    row = await callbridge.ended(call)
    assert row["id"] == answer.json()["id"]
    assert row["status"] == "completed"


async def test_twenty_calls_at_once_do_not_mix(callbridge: Harness):
    number = await callbridge.number(await callbridge.agent(greeting="Hello."))
    for n in range(20):
        callbridge.sim.model.script(
            Script(Step(Asked(), Say(f"Hello, number {n}.")), Step(Heard("Thank you."), Say("Welcome.")))
        )
    calls = [callbridge.dial(number, "Thank you.") for _ in range(20)]
    rows = await asyncio.gather(*(callbridge.ended(call) for call in calls))
    assert callbridge.sim.model.problems == []
    greetings = {call.heard[0] for call in calls}
    assert greetings == {f"Hello, number {n}." for n in range(20)}
    for call, row in zip(calls, rows, strict=True):
        assert await callbridge.transcript(row["id"]) == [
            ("agent", call.heard[0]),
            ("caller", "Thank you."),
            ("agent", "Welcome."),
        ]
    await callbridge.nothing_is_left()
