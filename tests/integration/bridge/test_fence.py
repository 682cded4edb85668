"""Two processes may both believe that a call is theirs: the one that attached last writes and runs tools."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import select, update

from bridge.runtime.journal import Journal
from database import calls
from database.call_history import erase_content
from database.journal import Entry, EventEntry, LineEntry, ReasonEntry, StreamWorks, TotalsEntry
from database.models import Call, CallEvent, PhoneNumber, TranscriptLine
from database.session import Database

NOW = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)


async def a_call(database: Database, *, attach_number: int, holder: str = "other") -> str:
    async with database.session() as session:
        number = (await session.scalars(select(PhoneNumber))).one()
    call = await calls.create_inbound(
        database,
        call_sid=f"CA{attach_number}{holder}",
        from_="",
        to="",
        number=number,
        agent_version=1,
        holder=calls.Holder("process_0", "0"),
    )
    await set_row(database, call.id, attach_number=attach_number, holder=holder)
    return call.id


async def set_row(database: Database, call_id: str, **values: object) -> None:
    async with database.session.begin() as session:
        await session.execute(update(Call).where(Call.id == call_id).values(values))


def event(call_id: str, attach_number: int) -> EventEntry:
    return EventEntry(call_id, NOW, attach_number, "dtmf.received", {}, attach_number=attach_number)


def tool_line(call_id: str, attach_number: int) -> LineEntry:
    tool = {"name": "book", "tool_call_id": "t1", "arguments": "{}", "output": None}
    return LineEntry(call_id, "item_t", 3, "tool", "", 10, 10, False, False, tool, attach_number)


class Told:
    """Stands for the owner of the calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []

    def __call__(self, call_id: str, attach_number: int) -> None:
        self.calls.append((call_id, attach_number))


async def write(journal: Journal, *entries: Entry) -> None:
    journal.start()
    for entry in entries:
        journal.add(entry)
    assert await journal.flush(10)


async def offsets(database: Database, call_id: str) -> list[int]:
    async with database.session() as session:
        query = select(CallEvent.offset_ms).where(
            CallEvent.type == "dtmf.received", CallEvent.call_id == call_id
        )
        return list((await session.scalars(query.order_by(CallEvent.id))).all())


async def test_what_a_superseded_process_has_to_tell_is_not_written(
    database: Database, agent_id: str
) -> None:
    lost, kept = await a_call(database, attach_number=2), await a_call(database, attach_number=1)
    told = Told()
    journal = Journal(database, holder="me", on_superseded=told)
    await write(
        journal, event(lost, 1), TotalsEntry(lost, {"output_audio": 1}, {}, attach_number=1), event(kept, 1)
    )
    await write(journal, event(lost, 1), event(lost, 2))
    await journal.stop(1)
    assert await offsets(database, lost) == [2]
    assert await offsets(database, kept) == [1]
    assert told.calls == [(lost, 2)], "told once a call"
    assert (journal.superseded, journal.dropped) == (3, 0)
    async with database.session() as session:
        assert (await session.get_one(Call, lost)).usage is None


async def test_a_process_that_attached_again_itself_still_writes_what_came_before(
    database: Database, agent_id: str
) -> None:
    """Entries wait for a moment: the stream may be back before they are written."""
    call_id = await a_call(database, attach_number=2, holder="me")
    told = Told()
    journal = Journal(database, holder="me", on_superseded=told)
    await write(journal, event(call_id, 0), event(call_id, 1), event(call_id, 2))
    await journal.stop(1)
    assert await offsets(database, call_id) == [0, 1, 2]
    assert told.calls == []


async def test_a_tool_starts_in_writing_and_not_in_a_superseded_process(
    database: Database, agent_id: str
) -> None:
    lost, kept = await a_call(database, attach_number=2), await a_call(database, attach_number=1)
    told = Told()
    journal = Journal(database, holder="me", on_superseded=told)
    assert not await journal.tool_starts(tool_line(lost, 1))
    assert await journal.tool_starts(tool_line(kept, 1))
    assert told.calls == [(lost, 2)]
    async with database.session() as session:
        line = (await session.scalars(select(TranscriptLine))).one()
    assert line.call_id == kept
    assert line.tool == tool_line(kept, 1).tool, "its output is not known yet"


async def test_a_tool_runs_while_nobody_can_have_taken_the_call() -> None:
    database = Database("postgresql://nobody@127.0.0.1:9/nothing")
    journal = Journal(database)
    assert await journal.tool_starts(tool_line("call_1", 1))
    journal.start()
    await journal.stop(0.1)
    assert journal.dropped == 1, "its line waits with the others"
    await database.close()


async def test_lines_tell_what_was_heard_so_far(database: Database, agent_id: str) -> None:
    call_id = await a_call(database, attach_number=1)
    journal = Journal(database)
    await write(journal, LineEntry(call_id, "i", 0, "agent", "Good mor", 0, 400, True, partial=True))
    async with database.session() as session:
        assert (await session.scalars(select(TranscriptLine.partial))).one() is True
    await write(journal, LineEntry(call_id, "i", 0, "agent", "Good morning.", 0, 800, False))
    await journal.stop(1)
    async with database.session() as session:
        line = (await session.scalars(select(TranscriptLine))).one()
    assert (line.partial, line.text) == (False, "Good morning.")


async def test_a_stream_that_works_has_earlier_losses_forgotten(database: Database, agent_id: str) -> None:
    mine, lost = await a_call(database, attach_number=2), await a_call(database, attach_number=3)
    for call_id in (mine, lost):
        await set_row(database, call_id, attach_offers=2, attach_offered_at=NOW)
    journal = Journal(database, holder="me")
    await write(journal, StreamWorks(mine, 2), StreamWorks(lost, 2))
    await journal.stop(1)
    async with database.session() as session:
        worked, still_lost = await session.get_one(Call, mine), await session.get_one(Call, lost)
    assert (worked.attach_offers, worked.attach_offered_at) == (0, None)
    assert (still_lost.attach_offers, still_lost.attach_offered_at) == (2, NOW)


async def test_words_that_were_erased_do_not_come_back(database: Database, agent_id: str) -> None:
    """What waited while Postgres was away may be written after the operator had the call erased."""
    call_id = await a_call(database, attach_number=1)
    async with database.session.begin() as session:
        await erase_content(session, await session.get_one(Call, call_id))
    journal = Journal(database)
    await write(
        journal,
        event(call_id, 1),
        LineEntry(call_id, "i", 0, "agent", "Hello", 0, 400, False, attach_number=1),
        TotalsEntry(call_id, {"output_audio": 7}, {}, attach_number=1),
    )
    await journal.stop(1)
    assert await offsets(database, call_id) == []
    async with database.session() as session:
        assert (await session.scalars(select(TranscriptLine))).all() == []
        assert (await session.get_one(Call, call_id)).usage == {"output_audio": 7}


async def test_why_a_call_ends_is_not_said_by_a_process_that_it_was_taken_from(
    database: Database, agent_id: str
) -> None:
    """Its stream is stopped because another one is to come, which takes for a hang-up what is none."""
    call_id = await a_call(database, attach_number=3, holder="other")
    reason = ReasonEntry(call_id, "caller_hung_up", None, 3)
    for holder, said in (("mine", None), ("other", "caller_hung_up")):
        await write(Journal(database, holder=holder), reason)
        row = await calls.by_id(database, call_id)
        assert row is not None and row.ended_reason == said
