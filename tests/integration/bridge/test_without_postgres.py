"""Postgres is stopped while people call: those who talk notice nothing, those who call are answered, and all
of it is in the database afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from sqlalchemy import text

from bridge.call.commands import MoveStream, Record
from bridge.call.events import DtmfReceived, StreamStarted
from bridge.runtime.row_closer import RowCloser
from database import calls
from tests.integration.bridge.conftest import MEDIA, STOP, Answer, Door
from tests.integration.bridge.fakes import Model, ScriptedCall
from tests.integration.bridge.test_spooled_journal import PATIENCE_SECONDS, Outage, outage

__all__ = ["outage"]

DTMF = '{"event":"dtmf","streamSid":"MZ1","sequenceNumber":"4","dtmf":{"track":"inbound_track","digit":"1"}}'


def presses_are_recorded(call: ScriptedCall) -> None:
    call.answers[DtmfReceived] = [Record("dtmf.received", 0, {"digit": "1"})]


@pytest.fixture
async def away(outage: Outage, model: Model, tmp_path: Path) -> AsyncGenerator[Door]:
    """A server that has known its numbers, and may lose its Postgres."""
    door = Door(outage.database, outage.url, model, spool_dir=tmp_path / "spool")
    door.prepare = presses_are_recorded
    door.live_calls._rows = RowCloser(outage.database, lambda: door.live_calls.journal.behind, grace_s=0.1)
    await door.start()
    await door.known_numbers.round()
    yield door
    await door.stop()


async def caught_up(door: Door) -> None:
    assert await door.live_calls.journal.flush(PATIENCE_SECONDS, disk_will_do=False)


async def row_is_closed(door: Door, call_sid: str = "CA1") -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await door.row(call_sid)).ended_at is None:
            pass


async def test_a_call_to_a_known_number_is_answered_and_written_down_later(
    away: Door, outage: Outage
) -> None:
    outage.stop()
    answer = await away.ring()
    assert answer.verbs == ["Connect", "Redirect"]
    assert (await away.ring()).document == answer.document, "a repeated webhook is told the same"
    async with away.stream(answer) as media:
        call = away.calls[0]
        await media.send(DTMF)
        await call.until(lambda: call.happened(DtmfReceived))
        await media.send(MEDIA)
        await away.model.until(lambda: any("append" in heard for heard in away.model.heard))
        await media.send(STOP)
        assert (await away.post("/twilio/status", CallSid="CA1", CallStatus="completed")).status_code == 204
    outage.start()
    await caught_up(away)
    await row_is_closed(away)
    row = await away.row()
    assert row.id == calls.inbound_call_id("CA1")
    assert (row.status, row.ended_reason, row.attach_number) == ("completed", "caller_hung_up", 1)
    assert row.holder == away.live_calls.holder.name
    assert await away.event_types(row.id) == ["call.created", "call.answered", "dtmf.received", "call.ended"]
    assert len(away.calls) == 1
    assert away.live_calls.journal.dropped == 0


async def test_a_call_that_is_up_loses_its_stream_and_has_another_one(away: Door, outage: Outage) -> None:
    answer = await away.ring()
    async with away.stream(answer) as media:
        call = away.calls[0]
        await call.until(lambda: call.happened(StreamStarted))
        outage.stop()
        await media.send(DTMF)
        await call.until(lambda: call.happened(DtmfReceived))
    again = await away.post(answer.after_stream, CallSid="CA1", CallStatus="in-progress")
    offered = Answer(again.text)
    assert offered.verbs == ["Connect", "Redirect"]
    async with away.stream(offered):
        await call.until(lambda: sum(isinstance(event, StreamStarted) for event in call.events) == 2)
        outage.start()
        await caught_up(away)
        row = await away.row()
        assert (row.attach_number, row.ended_at) == (2, None)
        assert "dtmf.received" in await away.event_types(row.id)
    gone = await away.post(offered.after_stream, CallSid="CA1", CallStatus="completed")
    assert Answer(gone.text).verbs == ["Hangup"]


async def test_a_stream_that_has_gone_silent_is_replaced_without_twilios_asking(
    away: Door, outage: Outage
) -> None:
    answer = await away.ring()
    call = away.calls[0]
    call.answers[DtmfReceived] = [MoveStream()]
    async with away.stream(answer) as media:
        await call.until(lambda: call.happened(StreamStarted))
        outage.stop()
        await media.send(DTMF)
        await away.twilio.until(lambda: bool(away.twilio.redirected))
    outage.start()
    ((call_sid, document),) = away.twilio.redirected
    assert call_sid == "CA1"
    async with away.stream(Answer(document)):
        await call.until(lambda: sum(isinstance(event, StreamStarted) for event in call.events) == 2)


async def test_a_token_that_was_used_up_in_memory_is_used_up(away: Door, outage: Outage) -> None:
    outage.stop()
    answer = await away.ring()
    async with away.stream(answer):
        await away.calls[0].until(lambda: away.calls[0].happened(StreamStarted))
        async with away.stream(answer) as second:
            await second.wait_closed()
    assert away.live_calls.counters.streams_refused == 1
    outage.start()


async def test_no_more_are_answered_than_there_is_room_for(away: Door, outage: Outage) -> None:
    outage.stop()
    answers = [await away.ring(f"CA{number}") for number in range(7)]
    assert [answer.verbs[0] for answer in answers] == ["Connect"] * 5 + ["Say"] * 2
    outage.start()
    await caught_up(away)
    assert (await away.row("CA6")).ended_reason == "overloaded"


async def test_an_unknown_number_is_asked_to_come_again(away: Door, outage: Outage) -> None:
    """It may be ours since a moment ago: to reject it would be to lose the caller."""
    outage.stop()
    form = {"CallSid": "CA1", "From": "+15552223333", "To": "+15557776666", "CallStatus": "ringing"}
    refused = await away.post("/twilio/voice", **form)
    assert refused.status_code == 503
    assert "retry-after" in refused.headers
    outage.start()


async def test_a_postgres_that_hangs_is_not_waited_for(away: Door, outage: Outage) -> None:
    """The row was made, and then nothing answers: it is the same call, and the same row."""
    async with outage.database.session.begin() as session:
        await session.execute(text("lock table calls in exclusive mode"))
        answer = await away.ring()
        assert answer.verbs == ["Connect", "Redirect"]
    await caught_up(away)
    row = await away.row()
    assert row.answered_at is not None
    assert (await away.event_types(row.id)).count("call.answered") == 1


async def test_a_call_whose_row_is_still_on_its_way_to_postgres_is_carried(
    away: Door, outage: Outage
) -> None:
    """Postgres is back between the webhook and the stream, and knows nothing of the call yet."""
    await away.live_calls.journal.stop(1.0)
    outage.stop()
    answer = await away.ring()
    outage.start()
    async with away.stream(answer) as media:
        await away.calls[0].until(lambda: away.calls[0].happened(StreamStarted))
        await media.send(MEDIA)
        await away.model.until(lambda: f"append {MEDIA}" in away.model.heard)
    again = Answer((await away.post(answer.after_stream, CallSid="CA1", CallStatus="in-progress")).text)
    assert again.verbs == ["Connect", "Redirect"]
