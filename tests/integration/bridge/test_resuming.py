"""A process is lost, or stops: another one has the call, and knows what was said."""

from __future__ import annotations

from bridge.call.commands import MoveStream, Record, SaveLine
from bridge.call.ending import EndReason
from bridge.call.events import (
    BrokenOff,
    DtmfReceived,
    ModelOpened,
    StreamEnded,
    StreamOffered,
    StreamStarted,
)
from tests.integration.bridge.conftest import MEDIA, PATIENT, STOP, Answer, Door
from tests.integration.bridge.fakes import ScriptedCall

KEY_PRESSED = '{"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":"1"}}'
HELLO = SaveLine("item_1", 0, "agent", "Hello.", 0, 900, False)


def says_hello(call: ScriptedCall) -> None:
    call.answers[StreamStarted] = [HELLO, Record("agent.started_speaking", 10, {"response_ms": 700})]


def at(answer: Answer, process: Door) -> Answer:
    return Answer(answer.document, host=process.base_url.partition("//")[2])


async def killed(process: Door) -> None:
    """As by kill -9: it answers nothing any more, writes nothing, and its connections are closed."""
    await process.live_calls.journal.flush(5)
    await process.live_calls._intake.stop()
    await process.live_calls._orphans.stop()
    await process.notifications.stop()


async def asked_what_comes_next(process: Door, answer: Answer) -> Answer:
    said = await process.post(answer.after_stream, CallSid="CA1", CallStatus="in-progress")
    assert said.status_code == 200, said.text
    return Answer(said.text)


async def test_a_stream_that_is_lost_comes_back_to_the_session_that_waits(door: Door) -> None:
    answer = await door.ring()
    async with door.stream(answer) as socket:
        await door.calls[0].until(lambda: door.calls[0].happened(StreamStarted))
        socket.transport.abort()
    again = await asked_what_comes_next(door, answer)
    assert again.token != answer.token
    assert door.calls[0].happened(StreamOffered)
    async with door.stream(again) as socket:
        await door.calls[0].until(lambda: door.calls[0].events.count(StreamStarted("MZ1")) == 2)
        await socket.send(MEDIA)
        await door.model.until(lambda: f"append {MEDIA}" in door.model.heard)
    assert len(door.calls) == 1 and len(door.model.models) == 1


async def test_a_stream_whose_token_was_used_is_not_attached_again(door: Door) -> None:
    answer = await door.ring()
    async with door.stream(answer):
        await door.calls[0].until(lambda: door.calls[0].happened(StreamStarted))
        async with door.stream(answer) as second:
            await second.wait_closed()
            assert second.close_code == 1008


async def test_a_new_stream_takes_the_place_of_one_that_is_still_open(door: Door) -> None:
    """Twilio thinks it dead, or was told by REST to open another one."""
    answer = await door.ring()
    async with door.stream(answer) as old:
        await door.calls[0].until(lambda: door.calls[0].happened(StreamStarted))
        again = await asked_what_comes_next(door, answer)
        async with door.stream(again) as socket:
            await door.calls[0].until(lambda: door.calls[0].events.count(StreamStarted("MZ1")) == 2)
            await old.wait_closed()
            await socket.send(KEY_PRESSED)
            await door.calls[0].until(lambda: door.calls[0].happened(DtmfReceived))


async def test_twilio_is_asked_for_a_stream_by_rest(door: Door) -> None:
    def script(call: ScriptedCall) -> None:
        call.answers[StreamEnded] = [MoveStream()]

    door.prepare = script
    async with door.stream(await door.ring()) as socket:
        await door.calls[0].until(lambda: door.calls[0].happened(StreamStarted))
        socket.transport.abort()
        await door.twilio.until(lambda: bool(door.twilio.redirected))
    [(call_sid, document)] = door.twilio.redirected
    assert (call_sid, Answer(document).verbs) == ("CA1", ["Connect", "Redirect"])


async def test_a_call_whose_process_was_killed_is_taken_up_with_what_was_said(
    door: Door, other: Door
) -> None:
    door.prepare = says_hello
    answer = await door.ring()
    async with door.stream(answer):
        await door.calls[0].until(lambda: door.calls[0].happened(StreamStarted))
        await killed(door)
        again = await asked_what_comes_next(other, answer)
        assert again.stream_url.endswith("/media/1")
        past = other.calls[0].past
        assert past is not None and not past.moved
        assert [line.text for line in past.lines] == ["Hello."]
        assert [turn.response_ms for turn in past.turns] == [700]
        async with other.stream(at(again, other)) as socket:
            await other.calls[0].until(lambda: other.calls[0].happened(ModelOpened))
            await socket.send(MEDIA)
            await other.model.until(lambda: f"append {MEDIA}" in other.model.heard)
    assert other.live_calls.counters.calls_resumed == 1


async def test_a_call_whose_process_lives_is_left_to_it(door: Door, other: Door) -> None:
    """A balancer that knows of no slots asks anybody."""
    answer = await door.ring()
    async with door.stream(answer) as socket:
        await door.calls[0].until(lambda: door.calls[0].happened(StreamStarted))
        socket.transport.abort()
    again = await asked_what_comes_next(other, answer)
    assert again.stream_url.endswith("/media/0")
    assert other.calls == []
    assert door.calls[0].happened(StreamOffered)


async def test_what_a_superseded_process_has_to_tell_is_not_written(door: Door, other: Door) -> None:
    """It was cut off, not killed, and thinks that it has the call."""

    def script(call: ScriptedCall) -> None:
        call.answers[DtmfReceived] = [SaveLine("item_late", 7, "agent", "I am still here.", 0, 1, False)]

    door.prepare = script
    answer = await door.ring()
    async with door.stream(answer) as old:
        await door.calls[0].until(lambda: door.calls[0].happened(StreamStarted))
        await killed(door)
        again = await asked_what_comes_next(other, answer)
        async with other.stream(at(again, other)):
            await other.calls[0].until(lambda: other.calls[0].happened(StreamStarted))
            await old.send(KEY_PRESSED)
            await old.wait_closed()
            assert not door.live_calls.holds((await door.row()).id)
            assert await door.lines((await door.row()).id) == []


@PATIENT
async def test_a_process_that_stops_gives_its_calls_to_another(door: Door, other: Door) -> None:
    """The one that takes it has a session ready before Twilio is asked for a stream."""
    door.prepare = says_hello
    answer = await door.ring()
    async with door.stream(answer) as socket:
        await door.calls[0].until(lambda: door.calls[0].happened(StreamStarted))

        async def stops() -> None:
            assert other.calls[0].happened(ModelOpened)
            await socket.send(STOP)
            await socket.close()

        other.twilio.then = stops
        await door.live_calls.drain()
        assert door.live_calls.count == 0 and door.live_calls.counters.calls_moved == 1
        [(_, document)] = other.twilio.redirected
        past = other.calls[0].past
        assert past is not None and past.moved and [line.text for line in past.lines] == ["Hello."]
        async with other.stream(at(Answer(document), other)):
            await other.calls[0].until(lambda: other.calls[0].happened(StreamStarted))
            row = await door.row()
            assert (row.slot, row.ended_reason) == ("1", None)


async def test_a_call_that_nobody_takes_is_apologised_for(door: Door) -> None:
    async with door.stream(await door.ring()) as socket:
        await door.calls[0].until(lambda: door.calls[0].happened(StreamStarted))
        door.twilio.then = socket.close
        await door.live_calls.drain()
    assert door.calls[0].events[-1].reason is EndReason.DRAINING  # type: ignore[union-attr]


async def test_a_stream_that_is_replaced_by_rest_is_no_hang_up(door: Door) -> None:
    """Twilio's own request had been faster: the stream it brought is stopped by ours."""
    door.prepare = lambda call: call.answers.update({DtmfReceived: [MoveStream()]})
    async with door.stream(await door.ring()) as socket:
        await door.calls[0].until(lambda: door.calls[0].happened(StreamStarted))
        await socket.send(KEY_PRESSED)
        await door.twilio.until(lambda: bool(door.twilio.redirected))
        await socket.send(STOP)
    await door.calls[0].until(lambda: door.calls[0].happened(StreamOffered))
    assert StreamEnded(stopped=False) in door.calls[0].events


@PATIENT
async def test_what_a_caller_was_saying_while_the_call_moved_is_asked_for(door: Door, other: Door) -> None:
    answer = await door.ring()
    async with door.stream(answer) as socket:
        await door.calls[0].until(lambda: door.calls[0].happened(StreamStarted))

        async def stops() -> None:
            door.calls[0].quiet = False
            await socket.send(STOP)
            await socket.close()

        other.twilio.then = stops
        await door.live_calls.drain()
        await other.calls[0].until(lambda: other.calls[0].happened(BrokenOff))
