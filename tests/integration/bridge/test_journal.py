"""What calls have to tell reaches Postgres in order, or is counted as lost."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest
from sqlalchemy import select

from bridge.runtime.journal import Journal
from database import calls
from database.journal import Batch, EventEntry, LineEntry, TotalsEntry, Written
from database.models import Call, CallEvent, PhoneNumber, TranscriptLine
from database.session import Database

NOW = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)


def event(call_id: str, offset_ms: int) -> EventEntry:
    return EventEntry(call_id, NOW, offset_ms, "dtmf.received", {"digit": "1"})


def line(call_id: str, text: str) -> LineEntry:
    return LineEntry(call_id, "item_1", 0, "agent", text, 0, 900, False)


async def a_call(database: Database) -> str:
    async with database.session() as session:
        number = (await session.scalars(select(PhoneNumber))).one()
    call = await calls.create_inbound(
        database,
        call_sid="CA1",
        from_="",
        to="",
        number=number,
        agent_version=1,
        holder=calls.Holder("process_0", "0"),
    )
    return call.id


async def test_entries_are_written_in_order_and_the_newest_line_counts(
    database: Database, agent_id: str
) -> None:
    call_id = await a_call(database)
    journal = Journal(database)
    journal.start()
    for offset_ms in range(1200):
        journal.add(event(call_id, offset_ms))
    journal.add(line(call_id, "Hel"))
    journal.add(line(call_id, "Hello"))
    journal.add(TotalsEntry(call_id, {"output_audio": 7}, {"turns": 1}))
    assert await journal.flush(10)
    await journal.stop(1)
    async with database.session() as session:
        query = select(CallEvent.offset_ms).where(CallEvent.type == "dtmf.received").order_by(CallEvent.id)
        assert list((await session.scalars(query)).all()) == list(range(1200))
        assert (await session.scalars(select(TranscriptLine.text))).one() == "Hello"
        assert (await session.get_one(Call, call_id)).usage == {"output_audio": 7}
    assert journal.dropped == 0


async def test_an_empty_line_removes_what_was_written(database: Database, agent_id: str) -> None:
    call_id = await a_call(database)
    journal = Journal(database)
    journal.start()
    journal.add(line(call_id, "Hello"))
    await journal.flush(5)
    journal.add(line(call_id, ""))
    await journal.stop(5)
    async with database.session() as session:
        assert (await session.scalars(select(TranscriptLine))).all() == []


async def test_one_entry_that_postgres_refuses_takes_no_other_with_it(
    database: Database, agent_id: str
) -> None:
    call_id = await a_call(database)
    journal = Journal(database)
    journal.start()
    journal.add(event(call_id, 1))
    journal.add(event(call_id, 2**40))
    journal.add(event("call_deleted", 3))
    journal.add(event(call_id, 4))
    await journal.stop(5)
    assert journal.dropped == 1
    async with database.session() as session:
        query = select(CallEvent.offset_ms).where(CallEvent.type == "dtmf.received").order_by(CallEvent.id)
        assert list((await session.scalars(query)).all()) == [1, 4]


async def test_while_postgres_is_away_the_oldest_go_first() -> None:
    database = Database("postgresql://nobody@127.0.0.1:9/nothing")
    journal = Journal(database, queue_entries=10)
    journal.start()
    for offset_ms in range(25):
        journal.add(event("call_1", offset_ms))
    assert journal.dropped == 15
    assert not await journal.flush(0.3)
    await journal.stop(0.1)
    assert journal.dropped == 25, "what could not be written is counted"
    await database.close()


async def test_what_comes_while_a_batch_is_written_waits_for_what_comes_next(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    writing, go_on, written = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def write(_: Database, batch: Batch, *, late: bool) -> Written:
        sizes.append(len(batch.entries))
        writing.set()
        await go_on.wait()
        written.set()
        return Written({})

    monkeypatch.setattr("bridge.runtime.journal.write_batch", write)
    journal = Journal(database)
    journal.start()
    journal.add(event("call_1", 1))
    await writing.wait()
    journal.add(event("call_1", 2))
    go_on.set()
    await written.wait()
    journal.add(event("call_1", 3))
    assert await journal.flush(5)
    await journal.stop(1)
    assert sizes == [1, 2]
