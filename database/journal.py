"""What live calls have to tell, many entries to a transaction.

Each entry names the attach number of the media stream that it was made under. A process whose call has been
attached to by another one since is refused (`database/fence.py`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, cast

import msgspec
from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from database.costs import dollars
from database.fence import lock
from database.notifications import CALL_EVENTS
from database.outbox import send_to_webhooks
from database.session import Database


class EventEntry(Struct, frozen=True):
    call_id: str
    at: dt.datetime
    offset_ms: int
    type: str
    data: dict[str, Any]
    attach_number: int = 0


class LineEntry(Struct, frozen=True):
    """A transcript line, new or changed; empty text without a `tool` removes it."""

    call_id: str
    item_id: str
    position: int
    role: str
    text: str
    start_ms: int
    end_ms: int
    interrupted: bool
    partial: bool = False
    """The agent is still saying it: what has been heard so far."""
    tool: dict[str, Any] | None = None
    """Of a tool's line: `{name, tool_call_id, arguments, output}`; `output` null while it runs."""
    attach_number: int = 0


class TotalsEntry(Struct, frozen=True):
    call_id: str
    usage: dict[str, int]
    latency: dict[str, Any]
    cost: Decimal | None = None
    """The voice model's share, US dollars; None: unknown."""
    attach_number: int = 0


class StreamWorks(Struct, frozen=True):
    """The media stream has carried audio for a while: earlier losses no longer count."""

    call_id: str
    attach_number: int


Entry = EventEntry | LineEntry | TotalsEntry | StreamWorks


_EVENTS = text("""
    insert into call_events (call_id, at, offset_ms, type, data)
    select call_id, at, offset_ms, type, data
    from rows from (jsonb_to_recordset(cast(:rows as jsonb))
         as (call_id text, at timestamptz, offset_ms integer, type text, data jsonb))
         with ordinality as entry (call_id, at, offset_ms, type, data, place)
    order by place
    returning id
""")
_ANNOUNCE = text("select pg_notify(:channel, id) from unnest(cast(:ids as text[])) as id")
_LINES = text("""
    insert into transcript_lines
           (call_id, item_id, position, role, text, start_ms, end_ms, interrupted, partial, tool)
    select call_id, item_id, position, role, text, start_ms, end_ms, interrupted, partial, tool
    from jsonb_to_recordset(cast(:rows as jsonb))
         as line (call_id text, item_id text, position integer, role text, text text,
                  start_ms integer, end_ms integer, interrupted boolean, partial boolean, tool jsonb)
    on conflict (call_id, item_id) do update
       set position = excluded.position, role = excluded.role, text = excluded.text,
           start_ms = excluded.start_ms, end_ms = excluded.end_ms, interrupted = excluded.interrupted,
           partial = excluded.partial, tool = excluded.tool
""")
_LINES_GONE = text("""
    delete from transcript_lines as kept
    using jsonb_to_recordset(cast(:rows as jsonb)) as line (call_id text, item_id text)
    where kept.call_id = line.call_id and kept.item_id = line.item_id
""")
_TOTALS = text("""
    update calls set usage = totals.usage, latency = totals.latency,
                     cost = coalesce(calls.cost, '{}') || totals.cost
    from jsonb_to_recordset(cast(:rows as jsonb))
         as totals (call_id text, usage jsonb, latency jsonb, cost jsonb)
    where calls.id = totals.call_id
""")
_STREAMS_WORK = text("""
    update calls set attach_offers = 0, attach_offered_at = null
    where id = any(:ids) and (attach_offers > 0 or attach_offered_at is not null)
""")


async def write(database: Database, entries: Sequence[Entry], *, holder: str = "") -> dict[str, int]:
    """Write them in order. Those of calls that were deleted meanwhile are left out, and so are those of calls
    that another process than `holder` has attached to since: these calls are returned, with the attach number
    that they have now.

    The calls' rows are locked first, in the order of their ids: whoever holds a call's lock draws event ids
    and commits before the next one does, so a reader who has seen an id has seen all below it. As many
    statements for a thousand entries as for one: this runs on the core that carries the audio.
    """
    async with database.session.begin() as session:
        calls = await lock(session, {entry.call_id for entry in entries})
        known = [entry for entry in entries if entry.call_id in calls]
        late = [entry for entry in known if calls[entry.call_id].superseded(entry.attach_number, holder)]
        mine = [entry for entry in known if not late or entry not in late]
        words = [entry for entry in mine if not calls[entry.call_id].erased]
        await _write_events(session, [entry for entry in words if isinstance(entry, EventEntry)])
        await _write_lines(session, [entry for entry in words if isinstance(entry, LineEntry)])
        await _write_totals(session, [entry for entry in mine if isinstance(entry, TotalsEntry)])
        await _write_working(session, [entry for entry in mine if isinstance(entry, StreamWorks)])
    return {entry.call_id: calls[entry.call_id].attach_number for entry in late}


async def _write_events(session: AsyncSession, events: Sequence[EventEntry]) -> None:
    if not events:
        return
    written = await session.scalars(_EVENTS, {"rows": _rows(events)})
    await send_to_webhooks(session, written.all())
    call_ids = list(dict.fromkeys(event.call_id for event in events))
    await session.execute(_ANNOUNCE, {"channel": CALL_EVENTS, "ids": call_ids})


async def _write_lines(session: AsyncSession, lines: Sequence[LineEntry]) -> None:
    newest = list({(line.call_id, line.item_id): line for line in lines}.values())
    if newest:
        await session.execute(_LINES, {"rows": _rows(newest)})
    gone = [line for line in newest if not line.text and line.tool is None]
    if gone:
        await session.execute(_LINES_GONE, {"rows": _rows(gone)})


async def _write_totals(session: AsyncSession, totals: Sequence[TotalsEntry]) -> None:
    newest = {entry.call_id: entry for entry in totals}.values()
    if newest:
        rows = [
            {
                "call_id": entry.call_id,
                "usage": entry.usage,
                "latency": entry.latency,
                "cost": {"model": dollars(entry.cost)},
            }
            for entry in newest
        ]
        await session.execute(_TOTALS, {"rows": _json(rows)})


async def _write_working(session: AsyncSession, streams: Sequence[StreamWorks]) -> None:
    if streams:
        await session.execute(_STREAMS_WORK, {"ids": [entry.call_id for entry in streams]})


def _rows(entries: Sequence[EventEntry | LineEntry]) -> str:
    return _json([msgspec.structs.asdict(entry) for entry in entries])


def _json(rows: list[dict[str, Any]]) -> str:
    encoded = msgspec.json.encode(rows).decode()
    return msgspec.json.encode(storable(rows)).decode() if _NUL in encoded else encoded


_NUL = "\\u0000"


def storable(value: Any) -> Any:
    """Postgres holds every character but one, NUL."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, dict):
        return {storable(key): storable(inner) for key, inner in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list):
        return [storable(inner) for inner in cast("list[Any]", value)]
    return value
