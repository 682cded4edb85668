"""The media socket: who gets in, what may be said on it, and that it leaves nothing behind."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import update
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bridge.call.commands import EndCall, Record, SaveLine, SendToModel, SendToPhone
from bridge.call.ending import EndReason
from bridge.call.events import (
    DtmfReceived,
    MarkReturned,
    ModelOpened,
    ModelSaid,
    StreamEnded,
    StreamStarted,
)
from bridge.runtime.stream_token import StreamTokens
from database.models import Call
from tests.integration.bridge.conftest import (
    BOTH_WAYS,
    MEDIA,
    SECRET_KEY,
    STOP,
    Answer,
    Door,
    seconds_ago,
    start,
)
from tests.integration.bridge.fakes import ScriptedCall

pytestmark = BOTH_WAYS


async def closed_with(socket: object) -> int:
    """The code with which the server closes, when nothing else is said."""
    with pytest.raises(ConnectionClosed) as closed:
        await asyncio.wait_for(socket.recv(), 10)  # type: ignore[attr-defined]
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


def ends_when_the_stream_ends(call: ScriptedCall) -> None:
    call.answers[StreamEnded] = [EndCall(EndReason.CALLER_HUNG_UP, caller_gone=True)]


async def test_a_call_goes_through_both_sockets(door: Door) -> None:
    def script(call: ScriptedCall) -> None:
        ends_when_the_stream_ends(call)
        call.answers[StreamStarted] = [SendToModel("hello model", 1), SendToPhone("hello phone")]
        call.answers[ModelSaid] = [
            Record("agent.interrupted", 1500, {"text": "nul \0 is not storable"}),
            SaveLine("item_1", 0, "agent", "Hello.", 0, 900, False),
        ]

    door.prepare = script
    answer = await door.ring()
    assert answer.verbs == ["Connect", "Redirect"]
    await door.model.until(lambda: door.model.open_sessions == 1)
    async with door.stream(answer) as socket:
        assert await socket.recv() == "hello phone"
        await socket.send(MEDIA)
        await door.model.until(lambda: f"append {MEDIA}" in door.model.heard)
        await door.model.sessions[0].send("audio a frame")
        assert await socket.recv() == "a frame"
        await socket.send('{"event":"mark","streamSid":"MZ1","mark":{"name":"m1"}}')
        await socket.send('{"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":"5"}}')
        await socket.send(STOP)
    call = door.calls[0]
    await door.settled()
    assert call.happened(ModelOpened) and len(call.first_audio) == 1
    assert MarkReturned("m1") in call.events and DtmfReceived("5") in call.events
    assert StreamEnded(stopped=True) in call.events
    assert door.twilio.ended == [] and door.twilio.redirected == []
    row = await door.row()
    assert row.ended_reason == "caller_hung_up" and row.attach_number == 1
    assert [line.text for line in await door.lines(row.id)] == ["Hello."]
    await door.post("/twilio/status", CallSid="CA1", CallStatus="completed")
    assert await door.event_types(row.id) == [
        "call.created",
        "call.answered",
        "agent.interrupted",
        "call.ended",
    ]


async def test_an_upgrade_that_twilio_did_not_sign_is_refused(door: Door) -> None:
    answer = await door.ring()
    with pytest.raises(InvalidStatus) as refused:
        async with door.stream(answer, auth_token="another account's"):
            pass
    assert refused.value.response.status_code == 403
    assert door.live_calls.counters.signatures_refused == 1


async def test_a_token_is_used_up_by_the_first_stream(door: Door) -> None:
    door.prepare = ends_when_the_stream_ends
    answer = await door.ring()
    async with door.stream(answer) as first:
        await door.calls[0].until(lambda: door.calls[0].happened(StreamStarted))
        async with door.stream(answer) as second:
            assert await closed_with(second) == 1008
        await first.send(MEDIA)
        await door.model.until(lambda: f"append {MEDIA}" in door.model.heard)
    await door.settled()


async def test_a_token_is_refused_when_its_minute_is_over(door: Door) -> None:
    answer = await door.ring()
    row = await door.row()
    late = StreamTokens([SECRET_KEY]).sign(
        call_id=row.id, call_sid="CA1", attach_number=1, expires_at=seconds_ago(2)
    )
    async with door.stream(answer, token=late) as socket:
        assert await closed_with(socket) == 1008
    assert (await door.row()).attach_number == 0


async def test_a_token_is_refused_on_another_call(door: Door) -> None:
    answer = await door.ring()
    async with door.stream(answer, call_sid="CA2") as socket:
        assert await closed_with(socket) == 1008


async def test_a_webhook_repeated_after_a_minute_gets_a_token_that_is_good_again(door: Door) -> None:
    await door.ring()
    async with door.database.session.begin() as session:
        await session.execute(update(Call).values(attach_expires_at=seconds_ago(3)))
    async with door.stream(await door.ring()) as socket:
        await door.calls[0].until(lambda: door.calls[0].happened(StreamStarted))
        await socket.send(STOP)


@pytest.mark.parametrize(
    "first",
    ["not json", MEDIA, STOP, start("CA1", "made up"), '{"event":"start"}'],
    ids=["garbage", "media", "stop", "made-up token", "empty start"],
)
async def test_a_socket_that_does_not_begin_as_twilios_do_is_closed(door: Door, first: str) -> None:
    answer = await door.ring()
    async with door.stream(answer, first=first) as socket:
        assert await closed_with(socket) == 1008


async def test_malformed_messages_are_counted_and_change_nothing(door: Door) -> None:
    """Nothing that a peer sends may stop a call, let alone the process."""
    door.prepare = ends_when_the_stream_ends
    answer = await door.ring()
    async with door.stream(answer) as socket:
        for message in ("{", "", "null", '{"event":"new"}', b"\xff\x00", "x" * 1_000_000, '{"event":[]}'):
            await socket.send(message)
        await socket.send(MEDIA)
        await door.model.until(lambda: f"append {MEDIA}" in door.model.heard)
    await door.settled()
    assert door.live_calls.counters.phone_messages_malformed == 7


async def test_what_the_model_sends_cannot_stop_the_process(door: Door) -> None:
    door.prepare = ends_when_the_stream_ends
    answer = await door.ring()
    async with door.stream(answer) as socket:
        await door.model.until(lambda: door.model.open_sessions == 1)
        await door.calls[0].until(lambda: door.calls[0].happened(StreamStarted))
        session = door.model.sessions[0]
        for message in (b"\xff\x00", "x" * 10_000_000, ["in ", "three ", "parts"], "audio still here"):
            await session.send(message)
        assert await socket.recv() == "still here"
    await door.settled()
    assert door.live_calls.counters.model_messages_malformed == 1
    said = [event for event in door.calls[0].events if isinstance(event, ModelSaid)]
    assert "in three parts" in [text for event in said for text in event.texts]


async def test_a_stream_that_does_not_come_back_is_apologised_for(door: Door) -> None:
    door.prepare = lambda call: call.answers.update(
        {StreamEnded: [EndCall(EndReason.STREAM_LOST, caller_gone=False)]}
    )
    answer = await door.ring()
    async with door.stream(answer) as socket:
        await door.calls[0].until(lambda: door.calls[0].happened(StreamStarted))
        socket.transport.abort()
    await door.settled()
    assert StreamEnded(stopped=False) in door.calls[0].events
    assert [Answer(document).verbs for _, document in door.twilio.redirected] == [["Say", "Dial", "Hangup"]]
    said = await door.post(answer.after_stream, CallSid="CA1", CallStatus="in-progress")
    assert Answer(said.text).verbs == ["Say", "Dial", "Hangup"]
    assert said.text == (await door.post(answer.after_stream, CallSid="CA1", CallStatus="in-progress")).text
