"""Which parts of which calls were recorded, by which machine. The sound itself is in files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, and_, delete, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from database.journal_tables import Rows, as_json
from database.models import RecordingPart


class RecordingEntry(Struct, frozen=True, tag_field="entry", tag="recording"):
    """For the journal: a media stream is being recorded, or was."""

    call_id: str
    part: int
    """The attach number of its stream."""
    started_at: dt.datetime
    machine: str
    size: int | None = None
    """In bytes; None: it goes on."""

    @property
    def attach_number(self) -> int:
        """Above any: what a stream recorded stays true whoever has the call now."""
        return 2**31


_PARTS = text("""
    insert into recording_parts (call_id, part, started_at, machine, size, erased_at)
    select part.call_id, part.part, part.started_at, part.machine, part.size, calls.content_erased_at
    from jsonb_to_recordset(cast(:rows as jsonb))
         as part (call_id text, part integer, started_at timestamptz, machine text, size bigint)
    join calls on calls.id = part.call_id
    on conflict (call_id, part) do update set size = excluded.size
""")


async def write_parts(session: AsyncSession, rows: Rows) -> None:
    """The newest of a part counts. What comes after the call was erased is erased as well."""
    if rows:
        newest = {(row["call_id"], row["part"]): row for row in rows}.values()
        await session.execute(_PARTS, {"rows": as_json(list(newest))})


async def parts_of(session: AsyncSession, call_id: str) -> Sequence[RecordingPart]:
    """In their order."""
    query = (
        select(RecordingPart)
        .where(RecordingPart.call_id == call_id, RecordingPart.erased_at.is_(None))
        .order_by(RecordingPart.started_at, RecordingPart.part)
    )
    return (await session.scalars(query)).all()


async def left_unfinished(session: AsyncSession, call_id: str) -> bool:
    """Of a call that is over: the process that recorded it was lost, and could not tell of its end."""
    part = select(RecordingPart.part).where(RecordingPart.call_id == call_id, RecordingPart.size.is_(None))
    return await session.scalar(part.limit(1)) is not None


async def erase_parts(session: AsyncSession, call_ids: Sequence[str]) -> None:
    """From now on nobody can read them; whoever has the files deletes them, then forgets the rows."""
    await _erase(session, RecordingPart.call_id.in_(call_ids))


async def erase_old_parts(session: AsyncSession, started_before: dt.datetime) -> None:
    await _erase(session, RecordingPart.started_at < started_before)


async def _erase(session: AsyncSession, which: Any) -> None:
    await session.execute(
        update(RecordingPart).where(which, RecordingPart.erased_at.is_(None)).values(erased_at=func.now())
    )


async def erased_calls(
    session: AsyncSession, *, machine: str, given_up: dt.datetime, limit: int
) -> Sequence[str]:
    """Calls that have files to delete on this machine. `given_up`: what was erased before then, anybody may
    forget."""
    query = select(RecordingPart.call_id).where(_mine(machine, given_up)).distinct().limit(limit)
    return (await session.scalars(query)).all()


async def forget_parts(
    session: AsyncSession, call_ids: Sequence[str], *, machine: str, given_up: dt.datetime
) -> None:
    """Their files are gone."""
    mine = _mine(machine, given_up)
    await session.execute(delete(RecordingPart).where(RecordingPart.call_id.in_(call_ids), mine))


def _mine(machine: str, given_up: dt.datetime) -> ColumnElement[bool]:
    erased = RecordingPart.erased_at.is_not(None)
    return and_(erased, or_(RecordingPart.machine == machine, RecordingPart.erased_at < given_up))
