"""Several processes, one call: whoever is asked, the right one acts, and the model is paid for once."""

from __future__ import annotations

import datetime as dt

import pytest

from bridge.call.commands import EndCall
from bridge.call.ending import EndReason
from bridge.call.events import Answered, CallOver, HangUpRequested, ModelOpened, StreamStarted
from database import call_commands, calls
from database.models import Call, CallEvent, TranscriptLine
from database.past import past_of
from tests.integration.bridge.conftest import CALLER, MEDIA, NUMBER, Answer, Door


def at(answer: Answer, process: Door) -> Answer:
    """Twilio's stream is taken to another process than the one it was meant for."""
    return Answer(answer.document, host=process.base_url.partition("//")[2])


async def opened(process: Door) -> None:
    call = await process.first_call()
    await call.until(lambda: call.happened(ModelOpened), timeout_s=3.0)


async def test_a_stream_that_comes_elsewhere_moves_the_session_there(door: Door, other: Door) -> None:
    """Two sessions would both be billed."""
    answer = await door.ring()
    await door.calls[0].until(lambda: door.calls[0].happened(ModelOpened))
    async with other.stream(at(answer, other)) as socket:
        await opened(other)
        await socket.send(MEDIA)
        await door.model.until(lambda: f"append {MEDIA}" in door.model.heard)
        assert door.model.most_open == 1 and len(door.model.models) == 2
        assert (door.live_calls.count, door.live_calls.counters.calls_let_go) == (0, 1)
        assert (await door.row()).slot == "1"
    assert (await door.row()).ended_reason is None, "letting go is no ending"


async def test_a_session_that_is_still_being_opened_is_not_waited_for(door: Door, other: Door) -> None:
    door.model.admits.clear()
    answer = await door.ring()
    await door.model.until(lambda: len(door.model.models) == 1)
    async with other.stream(at(answer, other)):
        await door.model.until(lambda: len(door.model.models) == 2)
        door.model.admits.set()
        await opened(other)
        assert door.model.most_open == 1


async def test_a_process_that_is_gone_is_not_waited_for_long(door: Door, other: Door) -> None:
    """Killed between the webhook and the stream: another one opens a session of its own."""
    answer = await door.ring()
    await door.live_calls._intake.stop()
    async with other.stream(at(answer, other)) as socket:
        await opened(other)
        await socket.send(MEDIA)
        await door.model.until(lambda: f"append {MEDIA}" in door.model.heard)


async def test_a_late_order_to_let_go_does_not_reach_the_stream_it_was_given_for(
    door: Door, other: Door
) -> None:
    answer = await door.ring()
    await door.live_calls._intake.stop()
    async with other.stream(at(answer, other)):
        await opened(other)
        row = await door.row()
        assert not other.live_calls.let_go(row.id, row.attach_number)
        assert other.live_calls.holds(row.id)
        assert door.live_calls.let_go(row.id, row.attach_number)
    assert door.live_calls.count == 0


async def dialled(door: Door, agent_id: str) -> Call:
    async with door.database.session.begin() as session:
        call = await calls.create_outbound(
            session,
            agent_id=agent_id,
            agent_version=1,
            phone_number_id="number_1",
            from_=NUMBER,
            to=CALLER,
            variables={},
            metadata={},
        )
    await calls.mark_dialled(door.database, call.id, "CA9")
    return call


async def test_who_answers_tells_who_is_ready_to_speak(door: Door, other: Door, agent_id: str) -> None:
    call = await dialled(door, agent_id)
    await door.post(f"/twilio/status/{call.id}", CallSid="CA9", CallStatus="ringing", SequenceNumber="1")
    form = {"CallSid": "CA9", "CallStatus": "in-progress"}
    answer = Answer((await other.post(f"/twilio/outbound/{call.id}", **form)).text)
    await door.calls[0].until(lambda: door.calls[0].happened(Answered))
    assert answer.stream_url.endswith("/media/0")
    assert other.calls == [] and len(door.model.models) == 1


async def test_a_phone_that_rings_at_two_processes_is_prepared_for_once(
    door: Door, other: Door, agent_id: str
) -> None:
    call = await dialled(door, agent_id)
    for process, sequence in ((door, "1"), (other, "2")):
        form = {"CallSid": "CA9", "CallStatus": "ringing", "SequenceNumber": sequence}
        await process.post(f"/twilio/status/{call.id}", **form)
    assert (len(door.calls), len(other.calls)) == (1, 0)


async def test_a_webhook_repeated_at_another_process_gets_the_same_document(door: Door, other: Door) -> None:
    first, second = await door.ring(), await other.ring()
    assert first.document == second.document
    assert other.calls == []


async def test_the_end_of_a_call_reaches_the_process_that_holds_it(door: Door, other: Door) -> None:
    """What the holder had to tell is written before `call.ended` is."""
    answer = await door.ring()
    async with door.stream(answer):
        await door.calls[0].until(lambda: door.calls[0].happened(StreamStarted))
        await other.post("/twilio/status", CallSid="CA1", CallStatus="completed")
        assert door.calls[0].happened(CallOver)
        row = await door.row()
        assert (row.status, door.live_calls.holds(row.id)) == ("completed", False)


async def test_the_end_of_a_call_that_was_let_go_meanwhile_is_not_waited_for(door: Door, other: Door) -> None:
    await door.ring()
    row = await door.row()
    await door.live_calls.over(row.id)
    asked = call_commands.ask(
        other.database, other.notifications, row.id, call_commands.OVER, {}, timeout_s=2
    )
    assert await asked


async def test_an_operator_asks_any_process_to_hang_up(door: Door, other: Door) -> None:
    def script(call: object) -> None:
        call.answers[HangUpRequested] = [EndCall(EndReason.OPERATOR_HUNG_UP, caller_gone=False)]  # type: ignore[attr-defined]

    door.prepare = script
    async with door.stream(await door.ring()) as socket:
        await door.calls[0].until(lambda: door.calls[0].happened(StreamStarted))
        door.twilio.then = socket.close
        row = await door.row()
        assert await call_commands.ask(other.database, other.notifications, row.id, call_commands.HANG_UP, {})
        await door.twilio.until(lambda: door.twilio.ended == ["CA1"])
    await door.settled()
    assert (await door.row()).ended_reason == "operator_hung_up"


async def test_a_call_that_has_just_ended_takes_no_more_commands(door: Door) -> None:
    await door.ring()
    row = await door.row()
    await door.live_calls.over(row.id)
    asked = call_commands.ask(
        door.database, door.notifications, row.id, call_commands.HANG_UP, {}, timeout_s=0.2
    )
    assert not await asked


async def test_commands_are_found_though_their_announcement_was_lost(door: Door, other: Door) -> None:
    await door.notifications.stop()
    await door.ring()
    row = await door.row()
    at_ = row.answered_at
    assert at_ is not None
    asked = call_commands.ask(
        other.database, other.notifications, row.id, call_commands.ANSWERED, {"at": at_.isoformat()}
    )
    assert await asked


async def test_a_new_call_that_finds_no_room_is_held_by_a_process_that_has_some(
    door: Door, other: Door
) -> None:
    """As while one of them stops: what stands before them learns of it a second later."""
    door.live_calls.draining = True
    answer = await door.ring()
    assert (door.live_calls.count, other.live_calls.count) == (0, 1)
    assert answer.stream_url.endswith("/1"), "the stream goes to who holds the call"
    async with other.stream(at(answer, other)) as socket:
        await opened(other)
        await socket.send(MEDIA)
        await door.model.until(lambda: f"append {MEDIA}" in door.model.heard)
    assert len(door.model.models) == 1, "one session was paid for"


async def test_asked_again_a_process_that_is_full_tells_the_same(door: Door, other: Door) -> None:
    door.live_calls.draining = True
    first, second = await door.ring(), await door.ring()
    assert first.document == second.document
    assert other.live_calls.count == 1


async def test_a_call_that_no_process_has_room_for_hears_that_all_lines_are_busy(
    door: Door, other: Door
) -> None:
    door.live_calls.draining = other.live_calls.draining = True
    answer = await door.ring()
    assert answer.verbs == ["Say", "Hangup"]
    row = await door.row()
    assert (row.ended_reason, row.holder) == (EndReason.OVERLOADED, door.live_calls.holder.name)


@pytest.mark.parametrize(("caller_spoke_ms", "cut_in"), [(None, False), (900, False), (2_500, True)])
async def test_whether_the_caller_cut_in_is_known_to_whoever_takes_a_call_up(
    door: Door, caller_spoke_ms: int | None, cut_in: bool
) -> None:
    """An agent that was cut by a fault of ours goes on; one that the caller cut does not."""
    await door.ring()
    row = await door.row()
    line = TranscriptLine(
        call_id=row.id, item_id="item_a", position=0, role="agent", text="We open",
        start_ms=2_000, end_ms=2_600, interrupted=True,
    )  # fmt: skip
    at = dt.datetime.now(dt.UTC)
    spoke = {"agent.started_speaking": 2_000} | (
        {} if caller_spoke_ms is None else {"caller.started_speaking": caller_spoke_ms}
    )
    async with door.database.session.begin() as session:
        session.add(line)
        session.add_all(
            CallEvent(call_id=row.id, at=at, offset_ms=offset_ms, type=type_, data={"response_ms": 700})
            for type_, offset_ms in spoke.items()
        )
    past = await past_of(door.database, row)
    assert past.caller_cut_in is cut_in
    assert [one.text for one in past.lines] == ["We open"]
    assert [turn.response_ms for turn in past.turns] == [700]
