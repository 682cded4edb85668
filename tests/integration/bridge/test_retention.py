"""What was said is deleted after the days that the operator has set, and nothing else is."""

from __future__ import annotations

import asyncio

from sqlalchemy import select

from bridge.call.ending import EndReason
from bridge.runtime.retention import AT_ONCE, Retention
from database import calls, journal
from database.journal import EventEntry, LineEntry, TotalsEntry
from database.models import Call, CallEvent, TranscriptLine
from database.session import Database
from tests.conftest import run_sql
from tests.integration.bridge.conftest import CALLER, NUMBER, seconds_ago

DAY = 86_400


async def spoken(database: Database, agent_id: str, *, ended_days_ago: float | None) -> str:
    """A call on which something was said; None: it goes on."""
    async with database.session.begin() as session:
        call = await calls.create_outbound(
            session,
            agent_id=agent_id,
            agent_version=1,
            phone_number_id=None,
            from_=NUMBER,
            to=CALLER,
            variables={"name": "Ada"},
            metadata={"order": 7},
        )
    await journal.write(
        database,
        [
            LineEntry(call.id, "item_1", 0, "caller", "My name is Ada.", 0, 900, False),
            EventEntry(call.id, seconds_ago(0), 0, "dtmf.received", {"digit": "7"}),
            TotalsEntry(call.id, {"input_audio": 9}, {"turns": 1}),
        ],
    )
    if ended_days_ago is not None:
        await calls.finish(database, call.id, status="completed", reason=EndReason.CALLER_HUNG_UP)
        past = f"now() - interval '{ended_days_ago * DAY} seconds'"
        await run_sql(database.url, f"update calls set ended_at = {past} where id = '{call.id}'")
    return call.id


async def row(database: Database, call_id: str) -> Call:
    found = await calls.by_id(database, call_id)
    assert found is not None
    return found


async def left(database: Database, call_id: str) -> bool:
    """Whether there is a word left of it."""
    async with database.session() as session:
        line = await session.get(TranscriptLine, (call_id, "item_1"))
        events = (
            await session.scalars(CallEvent.__table__.select().where(CallEvent.call_id == call_id))
        ).all()
    assert (line is None) == (not events), "lines and events go together"
    return line is not None


async def test_what_was_said_goes_after_its_days_and_the_call_stays(
    database: Database, agent_id: str
) -> None:
    old = await spoken(database, agent_id, ended_days_ago=30.1)
    young = await spoken(database, agent_id, ended_days_ago=29.9)
    live = await spoken(database, agent_id, ended_days_ago=None)
    await run_sql(
        database.url, f"update calls set created_at = now() - interval '40 days' where id = '{live}'"
    )
    await Retention(database, transcript_days=30).round()
    assert [await left(database, call_id) for call_id in (old, young, live)] == [False, True, True]
    kept = await row(database, old)
    assert kept.content_erased_at is not None
    assert (kept.variables, kept.metadata_, kept.to) == ({}, {"order": 7}, CALLER)
    assert (kept.usage, kept.ended_reason) == ({"input_audio": 9}, "caller_hung_up")
    assert (await row(database, young)).content_erased_at is None


async def test_without_a_setting_everything_is_kept(database: Database, agent_id: str) -> None:
    old = await spoken(database, agent_id, ended_days_ago=4000)
    retention = Retention(database, transcript_days=0)
    retention.start()
    await retention.stop()
    assert await left(database, old)


async def test_processes_share_a_long_past(database: Database, agent_id: str) -> None:
    """More calls than one round's transaction takes, and nobody waits for another's."""
    call_id = await spoken(database, agent_id, ended_days_ago=2)
    copies = AT_ONCE * 2 + 5
    columns = 'direction, status, agent_id, agent_version, "from", "to", ended_at'
    await run_sql(
        database.url,
        f"insert into calls (id, {columns}) select id || n, {columns} from calls,"
        f" generate_series(1, {copies}) n where id = '{call_id}'",
    )
    await asyncio.gather(*(Retention(database, transcript_days=1).round() for _ in range(3)))
    async with database.session() as session:
        rows = (await session.scalars(select(Call).where(Call.content_erased_at.is_(None)))).all()
    assert rows == []
    assert not await left(database, call_id)
