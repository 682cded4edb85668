"""A Postgres that goes away and comes back: all is written down once, in order, by whoever is there."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from sqlalchemy import select, text, update

from bridge.runtime.journal import Journal
from bridge.runtime.left_spools import LeftSpools
from bridge.runtime.spool import Spool
from database import calls, journal
from database.journal import Batch, Entry, EventEntry, LineEntry
from database.migrate import upgrade
from database.models import Call, CallEvent, PhoneNumber, TranscriptLine
from database.session import Database
from server.embedded_postgres import EmbeddedPostgres
from tests.integration.bridge.conftest import make_agent
from tests.integration.bridge.test_journal import NOW, event, line

PATIENCE_SECONDS = 30.0


class Outage:
    """A Postgres of the test's own, which it may stop and start."""

    def __init__(self, postgres: EmbeddedPostgres) -> None:
        self._postgres = postgres
        self.url = postgres.url()
        self.database = Database(self.url, pool_size=4)

    def stop(self) -> None:
        self._postgres.stop()

    def start(self) -> None:
        self._postgres.start()

    async def offsets(self, call_id: str) -> list[int]:
        async with self.database.session() as session:
            query = select(CallEvent.offset_ms).where(CallEvent.call_id == call_id)
            query = query.where(CallEvent.type == "dtmf.received").order_by(CallEvent.id)
            return list((await session.scalars(query)).all())


@pytest.fixture
async def outage(tmp_path: Path) -> AsyncGenerator[Outage]:
    postgres = EmbeddedPostgres(tmp_path / "postgres", durable=False)
    postgres.start()
    await upgrade(postgres.url())
    outage = Outage(postgres)
    await make_agent(outage.database)
    yield outage
    await outage.database.close()
    postgres.stop()


async def a_call(database: Database, call_sid: str = "CA1") -> str:
    async with database.session() as session:
        number = (await session.scalars(select(PhoneNumber))).one()
    call = await calls.create_inbound(
        database,
        call_sid=call_sid,
        from_="",
        to="",
        number=number,
        agent_version=1,
        holder=calls.Holder("process_0", "0"),
    )
    return call.id


def files(directory: Path) -> list[Path]:
    return list(directory.iterdir())


async def test_what_is_said_during_an_outage_is_written_once_and_in_order(
    outage: Outage, tmp_path: Path
) -> None:
    call_id = await a_call(outage.database)
    journal = Journal(outage.database, spool_dir=tmp_path / "spool")
    journal.start()
    journal.add(event(call_id, 0))
    assert await journal.flush(10)
    outage.stop()
    for offset_ms in range(1, 1500):
        journal.add(event(call_id, offset_ms))
        if offset_ms % 300 == 0:
            assert await journal.flush(10), "safe on the disk"
    journal.add(line(call_id, "Hel"))
    journal.add(line(call_id, "Hello"))
    assert await journal.flush(10)
    assert journal.away
    assert journal.spool_bytes > 0
    outage.start()
    for offset_ms in range(1500, 1800):
        journal.add(event(call_id, offset_ms))
    assert await journal.flush(PATIENCE_SECONDS, disk_will_do=False)
    assert await outage.offsets(call_id) == list(range(1800))
    async with outage.database.session() as session:
        assert (await session.scalars(select(TranscriptLine.text))).one() == "Hello"
    assert journal.dropped == 0
    assert files(tmp_path / "spool") == []
    await journal.stop(5)


async def test_a_process_that_stops_in_an_outage_leaves_its_entries_to_the_next(
    outage: Outage, tmp_path: Path
) -> None:
    call_id = await a_call(outage.database)
    outage.stop()
    first = Journal(outage.database, spool_dir=tmp_path / "spool")
    first.start()
    for offset_ms in range(700):
        first.add(event(call_id, offset_ms))
    await first.stop(5)
    assert first.dropped == 0
    left = LeftSpools(outage.database, tmp_path / "spool")
    with pytest.raises(OSError):
        await left.round()
    outage.start()
    await left.round()
    assert await outage.offsets(call_id) == list(range(700))
    assert (left.entries, left.dropped) == (700, 0)
    assert files(tmp_path / "spool") == []


async def test_a_process_killed_between_commit_and_deletion_has_nothing_written_twice(
    database: Database, agent_id: str, tmp_path: Path
) -> None:
    call_id = await a_call(database)
    batches = [Batch("journal_1", "", number, [event(call_id, number)]) for number in (1, 2, 3)]
    spool(tmp_path, *batches)
    for batch in batches[:2]:
        await journal.write_batch(database, batch)
    left = LeftSpools(database, tmp_path)
    await left.round()
    async with database.session() as session:
        query = select(CallEvent.offset_ms).where(CallEvent.type == "dtmf.received").order_by(CallEvent.id)
        assert list((await session.scalars(query)).all()) == [1, 2, 3]
    assert files(tmp_path) == []


def spool(directory: Path, *batches: Batch) -> None:
    """By a process that is killed."""

    def work() -> None:
        files = Spool(directory, batches[0].journal)
        for batch in batches:
            files.append(journal.encoded(batch), len(batch.entries))
        os.kill(os.getpid(), signal.SIGKILL)

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


async def test_what_was_said_before_another_process_took_the_call_is_not_lost(
    database: Database, agent_id: str, tmp_path: Path
) -> None:
    """Killed in the outage; the call went on elsewhere as soon as Postgres was back, before the spool was
    read. A line that the successor has set right stays as it is."""
    call_id = await a_call(database)
    set_right = LineEntry(call_id, "i1", 0, "agent", "Good", 0, 300, True, attach_number=2)
    await journal.write(database, [set_right])
    async with database.session.begin() as session:
        await session.execute(update(Call).values(attach_number=2, holder="successor"))
    said: list[Entry] = [
        EventEntry(call_id, NOW, 1, "dtmf.received", {}, attach_number=1),
        LineEntry(call_id, "i1", 0, "agent", "Good mor", 0, 600, True, partial=True, attach_number=1),
        LineEntry(call_id, "i2", 1, "caller", "Hello", 700, 900, False, attach_number=1),
    ]
    spool(tmp_path, Batch("journal_1", "killed", 1, said))
    await LeftSpools(database, tmp_path).round()
    async with database.session() as session:
        query = select(TranscriptLine.text).order_by(TranscriptLine.position)
        assert list((await session.scalars(query)).all()) == ["Good", "Hello"]
        assert (await session.scalars(select(CallEvent.offset_ms).where(CallEvent.offset_ms == 1))).one()


async def test_a_postgres_that_is_too_slow_counts_as_away_until_it_gets_ahead(
    database: Database, database_url: str, agent_id: str, tmp_path: Path
) -> None:
    """Somebody else has the call's row locked for longer than a batch may take: nothing is lost or doubled,
    though nobody can say whether the batch that was given up was written."""
    call_id = await a_call(database)
    journal = Journal(database, spool_dir=tmp_path)
    journal.start()
    async with database.session.begin() as session:
        await session.execute(text("select 1 from calls for update"))
        journal.add(event(call_id, 1))
        assert await journal.flush(10), "safe on the disk"
        assert journal.away
        journal.add(event(call_id, 2))
        assert await journal.flush(10)
    assert await journal.flush(PATIENCE_SECONDS, disk_will_do=False)
    await journal.stop(5)
    async with database.session() as session:
        query = select(CallEvent.offset_ms).where(CallEvent.type == "dtmf.received").order_by(CallEvent.id)
        assert list((await session.scalars(query)).all()) == [1, 2]
    assert journal.dropped == 0


async def test_without_postgres_and_without_room_the_oldest_go_first(tmp_path: Path) -> None:
    database = Database("postgresql://nobody@127.0.0.1:9/nothing")
    no_directory = tmp_path / "file"
    no_directory.write_text("")
    journal = Journal(database, spool_dir=no_directory, queue_entries=10)
    journal.start()
    for offset_ms in range(25):
        journal.add(event("call_1", offset_ms))
    assert not await journal.flush(0.3)
    await journal.stop(0.1)
    assert journal.dropped == 25, "what could be kept nowhere is counted"
    await database.close()
