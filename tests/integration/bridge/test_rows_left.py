"""What lost answers, lost processes and a Postgres that is away leave behind, and who puts it right."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket

import pytest
import structlog
from sqlalchemy import update
from websockets.exceptions import ConnectionClosed

from bridge.call.ending import EndReason
from bridge.runtime.janitor import Janitor
from bridge.runtime.row_closer import RowCloser
from database import call_commands, calls
from database.models import Call
from database.session import Database
from tests.integration.bridge.conftest import CALLER, NUMBER, Answer, Door, seconds_ago
from tests.integration.bridge.fakes import Watched


@pytest.fixture
def nowhere(tmp_path: object) -> Database:
    """A Postgres that is away."""
    return Database(f"postgresql://nobody@/x?host={tmp_path}")


async def dialled(database: Database, agent_id: str, **facts: object) -> Call:
    """`facts` of its row are as given."""
    async with database.session.begin() as session:
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
    if facts:
        async with database.session.begin() as session:
            await session.execute(update(Call).where(Call.id == call.id).values(**facts))
    return call


async def found(database: Database, call: Call) -> tuple[str, str | None]:
    row = await calls.by_id(database, call.id)
    assert row is not None
    return row.status, row.ended_reason


HOURS = 3600.0


async def test_calls_that_nobody_will_end_are_ended(database: Database, agent_id: str) -> None:
    """Their process was lost, and Twilio's last callback with it."""
    ago = seconds_ago
    up = {"status": "in-progress"}
    lost = await dialled(database, agent_id, answered_at=ago(9 * HOURS), created_at=ago(9 * HOURS), **up)
    long = await dialled(database, agent_id, answered_at=ago(7 * HOURS), created_at=ago(30 * HOURS), **up)
    never_rang = await dialled(database, agent_id, created_at=ago(26 * HOURS))
    queued = await dialled(database, agent_id, created_at=ago(20 * HOURS))
    assert sorted(await calls.finish_forgotten(database)) == sorted([lost.id, never_rang.id])
    assert await found(database, lost) == ("completed", "process_lost")
    assert await found(database, never_rang) == ("failed", "dial_failed")
    assert await found(database, long) == ("in-progress", None)
    assert await found(database, queued) == ("queued", None)
    assert await calls.finish_forgotten(database) == []


async def test_a_reason_that_was_committed_before_the_process_was_lost_stands(
    database: Database, agent_id: str
) -> None:
    facts = {"answered_at": seconds_ago(9 * HOURS), "ended_reason": "agent_hung_up", "status": "in-progress"}
    call = await dialled(database, agent_id, **facts)
    await calls.finish_forgotten(database)
    assert await found(database, call) == ("completed", "agent_hung_up")


async def test_the_janitor_fails_what_twilio_never_claimed_and_forgets_old_commands(
    database: Database, agent_id: str
) -> None:
    unclaimed = await dialled(database, agent_id, created_at=seconds_ago(61))
    claimed = await dialled(database, agent_id, created_at=seconds_ago(61), twilio_call_sid="CA7")
    young = await dialled(database, agent_id)
    await call_commands.tell(database, young.id, call_commands.HANG_UP, {})
    with structlog.testing.capture_logs() as logs:
        await Janitor(database).round()
    assert await found(database, unclaimed) == ("failed", "dial_failed")
    assert await found(database, claimed) == await found(database, young) == ("queued", None)
    assert [entry["event"] for entry in logs] == ["call_unclaimed"]
    assert len(await call_commands.waiting(database)) == 1
    await call_commands.forget_old(database, older_than_s=-1)
    assert await call_commands.waiting(database) == []


async def test_janitors_of_several_processes_do_each_others_work_once(
    database: Database, agent_id: str
) -> None:
    await dialled(database, agent_id, created_at=seconds_ago(61))
    failed = [await calls.fail_unclaimed(database, older_than_s=60.0) for _ in range(2)]
    assert [len(ids) for ids in failed] == [1, 0]


class AwayAtFirst(Watched):
    """A database that comes back at the third question."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.asked = 0
        self._database = database

    @property
    def session(self) -> object:
        self.asked += 1
        self.changed()
        if self.asked <= 2:
            raise ConnectionRefusedError
        return self._database.session


async def test_the_janitor_outlives_a_postgres_that_is_away(database: Database, agent_id: str) -> None:
    call = await dialled(database, agent_id, created_at=seconds_ago(61))
    away = AwayAtFirst(database)
    janitor = Janitor(away, round_s=0.0)  # type: ignore[arg-type]
    with structlog.testing.capture_logs():
        janitor.start()
        await away.until(lambda: away.asked > 3)
        await janitor.stop()
    assert await found(database, call) == ("failed", "dial_failed")


async def test_a_row_is_closed_where_no_last_callback_comes(database: Database, agent_id: str) -> None:
    call = await dialled(database, agent_id, status="in-progress", answered_at=seconds_ago(9))
    closer = RowCloser(database, lambda: False, grace_s=0.0)
    closer.close_unless_twilio_does(call.id, EndReason.AGENT_HUNG_UP)
    await closer.stop()
    assert await found(database, call) == ("completed", "agent_hung_up")


async def test_a_row_that_twilio_has_closed_stays_as_it_is(database: Database, agent_id: str) -> None:
    call = await dialled(database, agent_id, status="in-progress", answered_at=seconds_ago(9))
    closer = RowCloser(database, lambda: False, grace_s=0.0)
    closer.close_unless_twilio_does(call.id, EndReason.AGENT_HUNG_UP)
    await calls.take_status(database, call.id, "busy", 3)
    before = await calls.by_id(database, call.id)
    await closer.stop()
    after = await calls.by_id(database, call.id)
    assert before is not None and after is not None
    assert (after.status, after.ended_at) == ("busy", before.ended_at)


async def test_rows_are_given_time_for_twilios_own_word(database: Database, agent_id: str) -> None:
    call = await dialled(database, agent_id, status="in-progress")
    closer = RowCloser(database, lambda: False, grace_s=60.0)
    closer.close_unless_twilio_does(call.id, EndReason.AGENT_HUNG_UP)
    await closer.close_due()
    assert await found(database, call) == ("in-progress", None)


async def test_rows_are_closed_once_postgres_is_back(
    database: Database, agent_id: str, nowhere: Database
) -> None:
    call = await dialled(database, agent_id, status="in-progress")
    closer = RowCloser(nowhere, lambda: False, grace_s=0.0)
    closer.close_unless_twilio_does(call.id, EndReason.AGENT_HUNG_UP)
    await closer.close_due()
    closer._database = database
    await closer.close_due()
    assert await found(database, call) == ("completed", "agent_hung_up")


@pytest.mark.parametrize("status", ["initiated", "ringing", "in-progress"])
async def test_a_call_that_was_given_up_is_hung_up_before_anybody_answers(
    door: Door, agent_id: str, status: str
) -> None:
    call = await dialled(door.database, agent_id)
    await calls.fail_unclaimed(door.database, older_than_s=-1)
    form = {"CallSid": "CA9", "CallStatus": status, "SequenceNumber": "1"}
    assert (await door.post(f"/twilio/status/{call.id}", **form)).status_code == 204
    assert door.twilio.ended == ["CA9"]
    assert await found(door.database, call) == ("failed", "dial_failed")
    assert door.live_calls.count == 0


async def test_hanging_up_on_a_given_up_call_is_tried_again_with_its_next_status(
    door: Door, agent_id: str
) -> None:
    call = await dialled(door.database, agent_id)
    await calls.fail_unclaimed(door.database, older_than_s=-1)
    for door.twilio.away, sequence in ((True, "1"), (False, "2"), (False, "3")):
        form = {"CallSid": "CA9", "CallStatus": "ringing", "SequenceNumber": sequence}
        assert (await door.post(f"/twilio/status/{call.id}", **form)).status_code == 204
    assert door.twilio.ended == ["CA9"]


async def test_while_postgres_is_away_twilio_is_asked_to_come_again(
    door: Door, nowhere: Database, database_url: str
) -> None:
    """503 within the time that Twilio waits: it repeats the webhook, at another process too."""
    away = Door(nowhere, database_url, door.model, slot="1")
    await away.start()
    try:
        facts = {"CallSid": "CA1", "From": CALLER, "To": NUMBER, "CallStatus": "ringing"}
        for path in ("/twilio/voice", "/twilio/outbound/c", "/twilio/status", "/twilio/status/c"):
            began = dt.datetime.now(dt.UTC)
            answer = await away.post(path, **facts)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert (dt.datetime.now(dt.UTC) - began).total_seconds() < 4.5, "what Twilio reads at most"
    finally:
        await away.stop()


async def test_while_postgres_is_away_the_caller_hears_an_apology_after_the_stream(
    door: Door, nowhere: Database, database_url: str
) -> None:
    """Silence, then a hang-up, is what a caller must not get."""
    away = Door(nowhere, database_url, door.model, slot="1")
    await away.start()
    try:
        path = "/twilio/after-stream/1/call_1"
        said = await away.post(path, CallSid="CA1", CallStatus="in-progress")
        assert said.status_code == 200
        assert Answer(said.text).verbs == ["Say", "Hangup"]
        gone = await away.post(path, CallSid="CA1", CallStatus="completed")
        assert Answer(gone.text).verbs == ["Hangup"]
    finally:
        await away.stop()


async def test_on_twilios_last_attempt_the_caller_hears_an_apology(
    door: Door, nowhere: Database, database_url: str
) -> None:
    """`ErrorUrl`: it has tried the webhook itself, and this is the fallback address."""
    away = Door(nowhere, database_url, door.model, slot="1")
    await away.start()
    try:
        facts = {"CallSid": "CA1", "From": CALLER, "To": NUMBER, "CallStatus": "ringing"}
        said = await away.post(
            "/twilio/voice", **facts, ErrorUrl="https://example.com/voice", ErrorCode="11200"
        )
        assert Answer(said.text).verbs == ["Say", "Hangup"]
    finally:
        await away.stop()


async def test_a_postgres_that_accepts_and_says_nothing_is_not_waited_for(
    door: Door, database_url: str
) -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    port = silent.getsockname()[1]
    away = Door(Database(f"postgresql://x@127.0.0.1:{port}/x"), database_url, door.model, slot="1")
    await away.start()
    try:
        async with asyncio.timeout(4.5):
            asked = away.post("/twilio/voice", CallSid="CA1", To=NUMBER, CallStatus="ringing")
            after = away.post("/twilio/after-stream/1/c", CallSid="CA1", CallStatus="in-progress")
            refused, said = await asyncio.gather(asked, after)
        assert refused.status_code == 503
        assert Answer(said.text).verbs == ["Say", "Hangup"]
    finally:
        await away.stop()
        silent.close()


async def test_a_stream_that_comes_while_postgres_is_away_is_sent_on_to_the_apology(
    door: Door, nowhere: Database, database_url: str
) -> None:
    away = Door(nowhere, database_url, door.model, slot="1")
    away.public_url = door.base_url
    await away.start()
    try:
        answer = await door.ring()
        elsewhere = Answer(answer.document, host=away.base_url.partition("//")[2])
        async with away.stream(elsewhere) as media:
            with pytest.raises(ConnectionClosed) as closed:
                await media.recv()
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1011
    finally:
        await away.stop()
