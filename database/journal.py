"""What live calls have to tell, many entries to a transaction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, cast

from msgspec import Struct
from sqlalchemy import delete, func, insert, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from database.costs import dollars, with_cost
from database.models import Call, CallEvent, TranscriptLine
from database.notifications import CALL_EVENTS
from database.outbox import send_to_webhooks
from database.session import Database


class EventEntry(Struct, frozen=True):
    call_id: str
    at: dt.datetime
    offset_ms: int
    type: str
    data: dict[str, Any]


class LineEntry(Struct, frozen=True):
    """A transcript line, new or changed; empty text removes it."""

    call_id: str
    item_id: str
    position: int
    role: str
    text: str
    start_ms: int
    end_ms: int
    interrupted: bool


class TotalsEntry(Struct, frozen=True):
    call_id: str
    usage: dict[str, int]
    latency: dict[str, Any]
    cost: Decimal | None = None
    """The voice model's share, US dollars; None: unknown."""


Entry = EventEntry | LineEntry | TotalsEntry


async def write(database: Database, entries: Sequence[Entry]) -> None:
    """Write them in order. Those of calls that were deleted meanwhile are left out.

    The calls' rows are locked first, in the order of their ids: whoever holds a call's lock draws event ids
    and commits before the next one does, so a reader who has seen an id has seen all below it.
    """
    async with database.session.begin() as session:
        wanted = {entry.call_id for entry in entries}
        query = select(Call.id).where(Call.id.in_(wanted)).order_by(Call.id).with_for_update()
        known = set((await session.scalars(query)).all())
        mine = [entry for entry in entries if entry.call_id in known]
        await _write_events(session, [entry for entry in mine if isinstance(entry, EventEntry)])
        await _write_lines(session, [entry for entry in mine if isinstance(entry, LineEntry)])
        for totals in {entry.call_id: entry for entry in mine if isinstance(entry, TotalsEntry)}.values():
            await session.execute(
                update(Call)
                .where(Call.id == totals.call_id)
                .values(
                    usage=totals.usage,
                    latency=totals.latency,
                    cost=with_cost({"model": dollars(totals.cost)}),
                )
            )


async def _write_events(session: AsyncSession, events: Sequence[EventEntry]) -> None:
    if not events:
        return
    rows = [
        {
            "call_id": event.call_id,
            "at": event.at,
            "offset_ms": event.offset_ms,
            "type": event.type,
            "data": storable(event.data),
        }
        for event in events
    ]
    written = await session.scalars(insert(CallEvent).values(rows).returning(CallEvent.id))
    await send_to_webhooks(session, written.all())
    for call_id in dict.fromkeys(event.call_id for event in events):
        await session.execute(select(func.pg_notify(CALL_EVENTS, call_id)))


async def _write_lines(session: AsyncSession, lines: Sequence[LineEntry]) -> None:
    if not lines:
        return
    newest = {(line.call_id, line.item_id): line for line in lines}
    rows = [
        {
            "call_id": line.call_id,
            "item_id": storable(line.item_id),
            "position": line.position,
            "role": line.role,
            "text": storable(line.text),
            "start_ms": line.start_ms,
            "end_ms": line.end_ms,
            "interrupted": line.interrupted,
        }
        for line in newest.values()
    ]
    made = upsert(TranscriptLine).values(rows)
    changed = {name: made.excluded[name] for name in rows[0] if name not in {"call_id", "item_id"}}
    await session.execute(
        made.on_conflict_do_update(index_elements=["call_id", "item_id"], set_=changed),
    )
    gone = [(line.call_id, storable(line.item_id)) for line in newest.values() if not line.text]
    if gone:
        key = tuple_(TranscriptLine.call_id, TranscriptLine.item_id)
        await session.execute(delete(TranscriptLine).where(key.in_(gone)))


def storable(value: Any) -> Any:
    """Postgres holds every character but one, NUL."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, dict):
        return {storable(key): storable(inner) for key, inner in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list):
        return [storable(inner) for inner in cast("list[Any]", value)]
    return value
