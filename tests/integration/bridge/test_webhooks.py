"""What Twilio asks of us over HTTP, in whatever order and however often."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import update

from bridge.call.ending import EndReason
from bridge.call.events import Answered, CallOver, ModelOpened, ModelUnreachable, StreamStarted
from bridge.runtime.loop_lag import RECENT_SAMPLES
from database import calls
from database.models import Call, PhoneNumber
from tests.integration.bridge.conftest import CALLER, NUMBER, Answer, Door


@pytest.mark.parametrize(
    "path",
    ["/twilio/voice", "/twilio/outbound/c", "/twilio/status", "/twilio/status/c", "/twilio/after-stream/0/c"],
)
async def test_nobody_but_twilio_is_listened_to(door: Door, path: str) -> None:
    assert (await door.post(path, token="wrong", CallSid="CA1", To=NUMBER)).status_code == 403


async def test_a_repeated_webhook_gets_the_same_document_and_makes_no_second_call(door: Door) -> None:
    first, second = await door.ring(), await door.ring()
    assert first.document == second.document
    assert len(door.calls) == 1 and len(door.model.models) <= 1


@pytest.mark.parametrize("caller", ["anonymous", "", "sip:alice@example.com", "client:bob", "+266696687"])
async def test_whoever_calls_is_answered(door: Door, caller: str) -> None:
    assert (await door.ring(From=caller)).verbs == ["Connect", "Redirect"]
    assert (await door.row()).from_ == caller


async def test_a_number_that_is_not_ours_is_rejected(door: Door) -> None:
    assert (await door.ring(To="+15550009999")).verbs == ["Reject"]


async def test_the_model_is_reached_while_twilio_sets_the_stream_up(door: Door) -> None:
    await door.ring()
    await door.calls[0].until(lambda: door.calls[0].happened(ModelOpened))
    assert door.calls[0].happened(Answered)
    assert door.model.models == ["/v1/realtime?model=gpt-realtime-2.1"]


async def test_a_caller_who_hangs_up_before_the_stream_leaves_nothing_open(door: Door) -> None:
    await door.ring()
    await door.post("/twilio/status", CallSid="CA1", CallStatus="completed")
    row = await door.row()
    assert (row.status, row.ended_reason) == ("completed", "caller_hung_up")
    assert door.calls[0].happened(CallOver)
    assert (await door.event_types(row.id)).count("call.ended") == 1


@pytest.mark.parametrize(
    ("status", "refused"), [(401, True), (403, True), (400, True), (429, False), (503, False)]
)
async def test_refused_and_lost_are_told_apart(door: Door, status: int, refused: bool) -> None:
    door.model.refuse_with = status
    await door.ring()
    await door.calls[0].until(lambda: door.calls[0].happened(ModelUnreachable))
    event = next(event for event in door.calls[0].events if isinstance(event, ModelUnreachable))
    assert (event.refused, event.code) == (refused, "made_up")
    assert "sk-" not in event.message


async def test_when_full_the_caller_hears_what_the_number_says(door: Door) -> None:
    async with door.database.session.begin() as session:
        await session.execute(update(PhoneNumber).values(when_full="We are closed."))
    door.live_calls.max_calls = 1
    assert (await door.ring("CA1")).verbs == ["Connect", "Redirect"]
    refused = await door.ring("CA2")
    assert refused.verbs == ["Say", "Hangup"] and "We are closed." in refused.document
    assert (await door.ring("CA2")).document == refused.document
    assert (await door.row("CA2")).ended_reason == "overloaded"
    assert door.live_calls.count == 1


async def test_as_many_calls_are_taken_as_there_are_places_however_many_come_at_once(door: Door) -> None:
    """The place is taken before the TwiML is returned: who is connected is served."""
    answers = await asyncio.gather(*(door.ring(f"CA{number}") for number in range(50)))
    assert sorted(answer.verbs[0] for answer in answers) == ["Connect"] * 5 + ["Say"] * 45
    assert door.live_calls.count == 5
    assert len(door.calls) == 5


async def test_an_overloaded_process_turns_new_calls_away_and_keeps_its_own(door: Door) -> None:
    answer = await door.ring("CA1")
    for _ in range(RECENT_SAMPLES):
        door.live_calls.lag.take(1.0)
    assert (await door.ring("CA2")).verbs[0] == "Say"
    assert (await door.row("CA2")).ended_reason == "overloaded"
    assert (await door.ring("CA1")).document == answer.document
    async with door.stream(answer):
        await door.calls[0].until(lambda: door.calls[0].happened(StreamStarted))


async def dialled(door: Door, agent_id: str, call_sid: str | None = "CA9") -> Call:
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
    if call_sid is not None:
        await calls.mark_dialled(door.database, call.id, call_sid)
    return call


async def say_status(door: Door, call: Call, status: str, sequence: int, sid: str = "CA9") -> None:
    form = {"CallSid": sid, "CallStatus": status, "SequenceNumber": str(sequence)}
    assert (await door.post(f"/twilio/status/{call.id}", **form)).status_code == 204


async def test_statuses_may_come_in_any_order_and_twice(door: Door, agent_id: str) -> None:
    call = await dialled(door, agent_id)
    await say_status(door, call, "ringing", 1)
    await say_status(door, call, "initiated", 0)
    assert (await door.row("CA9")).status == "ringing"
    await say_status(door, call, "no-answer", 3)
    await say_status(door, call, "in-progress", 2)
    await say_status(door, call, "no-answer", 3)
    row = await door.row("CA9")
    assert (row.status, row.ended_reason) == ("no-answer", "not_answered")
    assert await door.event_types(call.id) == ["call.created", "call.ringing", "call.ended"]
    assert door.live_calls.count == 0, "the session that was opened while it rang is let go"


async def test_a_status_teaches_a_call_sid_that_the_answer_to_dialling_lost(
    door: Door, agent_id: str
) -> None:
    call = await dialled(door, agent_id, call_sid=None)
    await say_status(door, call, "ringing", 1)
    assert (await door.row("CA9")).id == call.id


async def test_a_dialled_call_is_ready_to_speak_when_it_is_picked_up(door: Door, agent_id: str) -> None:
    call = await dialled(door, agent_id)
    await say_status(door, call, "ringing", 1)
    await door.calls[0].until(lambda: door.calls[0].happened(ModelOpened))
    assert not door.calls[0].happened(Answered)
    form = {"CallSid": "CA9", "CallStatus": "in-progress"}
    answer = Answer((await door.post(f"/twilio/outbound/{call.id}", **form)).text)
    assert answer.verbs == ["Connect", "Redirect"]
    assert door.calls[0].happened(Answered) and len(door.calls) == 1


async def test_a_call_that_was_given_up_is_hung_up_when_somebody_picks_up_late(
    door: Door, agent_id: str
) -> None:
    call = await dialled(door, agent_id, call_sid=None)
    assert await calls.fail_unclaimed(door.database, older_than_s=-1) == [call.id]
    late = await door.post(f"/twilio/outbound/{call.id}", CallSid="CA9", CallStatus="in-progress")
    assert Answer(late.text).verbs == ["Hangup"]


async def test_a_stream_that_never_works_is_not_asked_for_for_ever(door: Door) -> None:
    """Each would be paid for: a media address that is refused at every try."""
    answer = await door.ring()
    asked = [await door.post(answer.after_stream, CallSid="CA1", CallStatus="in-progress") for _ in range(4)]
    assert [Answer(said.text).verbs[0] for said in asked] == ["Connect", "Connect", "Connect", "Say"]
    assert (await door.row()).ended_reason == "stream_lost"


@pytest.mark.parametrize(
    ("reason", "verbs"),
    [
        (EndReason.AGENT_HUNG_UP, ["Hangup"]),
        (EndReason.MODEL_LOST, ["Say", "Dial", "Hangup"]),
        (None, ["Connect", "Redirect"]),
    ],
)
async def test_after_the_stream_the_committed_reason_is_carried_out(
    door: Door, reason: EndReason | None, verbs: list[str]
) -> None:
    answer = await door.ring()
    row = await door.row()
    if reason is not None:
        await calls.commit_reason(door.database, row.id, reason)
    for _ in range(2):
        said = await door.post(answer.after_stream, CallSid="CA1", CallStatus="in-progress")
        assert Answer(said.text).verbs == verbs
    assert (await door.row()).ended_reason == reason
    gone = await door.post(answer.after_stream, CallSid="CA1", CallStatus="completed")
    assert Answer(gone.text).verbs == ["Hangup"]
