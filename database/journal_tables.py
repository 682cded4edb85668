"""The journal's statements: each writes however many rows at once, which it is given as JSON."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Protocol, cast

import msgspec
from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from database.notifications import CALL_EVENTS, joined
from database.outbox import send_to_webhooks

Rows = Sequence[dict[str, Any]]

_EVENTS = """
    insert into call_events (call_id, at, offset_ms, type, data)
    select call_id, at, offset_ms, type, data
    from rows from (jsonb_to_recordset(cast(:events as jsonb))
         as (call_id text, at timestamptz, offset_ms integer, type text, data jsonb))
         with ordinality as entry (call_id, at, offset_ms, type, data, place)
    order by place
    returning id
"""
_INSERT_LINES = """
    insert into transcript_lines
           (call_id, item_id, position, role, text, start_ms, end_ms, interrupted, partial, tool)
    select call_id, item_id, position, role, text, start_ms, end_ms, interrupted, partial, tool
    from jsonb_to_recordset(cast(:lines as jsonb))
         as line (call_id text, item_id text, position integer, role text, text text,
                  start_ms integer, end_ms integer, interrupted boolean, partial boolean, tool jsonb)
    on conflict (call_id, item_id) do
"""
_LINES = (
    _INSERT_LINES
    + """update
    set position = excluded.position, role = excluded.role, text = excluded.text,
        start_ms = excluded.start_ms, end_ms = excluded.end_ms, interrupted = excluded.interrupted,
        partial = excluded.partial, tool = excluded.tool"""
)
_TOTALS = """
    update calls set usage = totals.usage, latency = totals.latency,
                     cost = coalesce(calls.cost, '{}') || totals.cost,
                     answered_by = coalesce(totals.answered_by, calls.answered_by)
    from jsonb_to_recordset(cast(:totals as jsonb))
         as totals (call_id text, usage jsonb, latency jsonb, cost jsonb, answered_by text)
    where calls.id = totals.call_id
"""
_SENT = """
    select case when exists (select from webhooks) then array(select id from told order by id) end,
           (select count(pg_notify(:channel, ids)) from unnest(cast(:announced as text[])) as ids)
"""
_TELL = text(f"with told as ({_EVENTS}), said as ({_LINES}), summed as ({_TOTALS}) {_SENT}")
_NEW_LINES = text(_INSERT_LINES + "nothing")
_LINES_GONE = text("""
    delete from transcript_lines as kept
    using jsonb_to_recordset(cast(:lines as jsonb)) as line (call_id text, item_id text)
    where kept.call_id = line.call_id and kept.item_id = line.item_id
""")
_STREAMS_WORK = text("""
    update calls set attach_offers = 0, attach_offered_at = null
    where id = any(:ids) and (attach_offers > 0 or attach_offered_at is not null)
""")
_ADD_CALLS = text("""
    insert into calls (id, direction, status, agent_id, agent_version, phone_number_id, "from", "to",
                       twilio_call_sid, created_at, answered_at, attach_expires_at, slot, holder)
    select call_id, 'inbound', 'in-progress', agent_id, agent_version,
           (select id from phone_numbers where id = phone_number_id), from_, "to",
           twilio_call_sid, created_at, answered_at, attach_expires_at, slot, holder
    from jsonb_to_recordset(cast(:rows as jsonb))
         as made (call_id text, agent_id text, agent_version integer, phone_number_id text, from_ text,
                  "to" text, twilio_call_sid text, created_at timestamptz, answered_at timestamptz,
                  attach_expires_at timestamptz, slot text, holder text)
    on conflict do nothing
    returning id
""")
_ANSWER_CALLS = text("""
    update calls set status = 'in-progress', answered_at = made.answered_at,
                     attach_expires_at = made.attach_expires_at
    from jsonb_to_recordset(cast(:rows as jsonb))
         as made (call_id text, answered_at timestamptz, attach_expires_at timestamptz)
    where calls.id = made.call_id and calls.answered_at is null and calls.ended_at is null
    returning calls.id
""")
_ATTACH = text("""
    update calls set attach_number = stream.attach_number, slot = stream.slot, holder = stream.holder
    from jsonb_to_recordset(cast(:rows as jsonb))
         as stream (call_id text, attach_number integer, slot text, holder text)
    where calls.id = stream.call_id and calls.attach_number < stream.attach_number
""")
_REASONS = text("""
    update calls set ended_reason = coalesce(calls.ended_reason, why.reason),
                     error = coalesce(calls.error, why.error)
    from jsonb_to_recordset(cast(:rows as jsonb)) as why (call_id text, reason text, error jsonb)
    where calls.id = why.call_id
""")
_MARK = text("""
    insert into journals (id, written) values (:id, :number)
    on conflict (id) do update set written = excluded.written where journals.written < excluded.written
    returning written
""")


async def mark(session: AsyncSession, journal: str, number: int) -> bool:
    """The batch of that number is about to be written. False: it was before."""
    return await session.scalar(_MARK, {"id": journal, "number": number}) is not None


class OfCall(Protocol):
    """A row that msgspec can encode."""

    @property
    def call_id(self) -> str: ...


class Line(OfCall, Protocol):
    @property
    def item_id(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def tool(self) -> object: ...


AT_ONCE = 32
"""Of each, in a statement: for as long as one takes, Postgres may have the core, and the audio waits."""


class Totals(Struct):
    call_id: str
    usage: dict[str, int]
    latency: dict[str, Any]
    cost: dict[str, Any]
    answered_by: str | None


async def tell(
    session: AsyncSession,
    events: Sequence[OfCall] = (),
    lines: Sequence[Line] = (),
    totals: Sequence[Totals] = (),
) -> None:
    """What live calls tell all the time. Of a line, and of a call's totals, the newest counts; an empty line
    is removed."""
    newest = list({(line.call_id, line.item_id): line for line in lines}.values())
    sums = list({of.call_id: of for of in totals}.values())
    for at in range(0, max(len(events), len(newest), len(sums)), AT_ONCE):
        part = slice(at, at + AT_ONCE)
        told = await session.execute(
            _TELL,
            {
                "events": as_json(events[part]),
                "lines": as_json(newest[part]),
                "totals": as_json(sums[part]),
                "channel": CALL_EVENTS,
                "announced": joined(dict.fromkeys(event.call_id for event in events[part])),
            },
        )
        sent = told.one()[0]
        if sent:
            await send_to_webhooks(session, sent)
    gone = [line for line in newest if not line.text and line.tool is None]
    if gone:
        await session.execute(_LINES_GONE, {"lines": as_json(gone)})


async def add_lines(session: AsyncSession, lines: Sequence[Line]) -> None:
    """Those that are there already stay as they are."""
    newest = {(line.call_id, line.item_id): line for line in lines}.values()
    if wanted := [line for line in newest if line.text or line.tool is not None]:
        await session.execute(_NEW_LINES, {"lines": as_json(wanted)})


async def add_calls(session: AsyncSession, rows: Rows) -> None:
    """Calls that were answered while Postgres was away; those that are there already are answered now."""
    rows = list({row["call_id"]: row for row in reversed(rows)}.values())
    if not rows:
        return
    made = set((await session.scalars(_ADD_CALLS, {"rows": as_json(rows)})).all())
    answered = made | set((await session.scalars(_ANSWER_CALLS, {"rows": as_json(rows)})).all())
    await tell(
        session,
        [
            event
            for row in rows
            for event in (
                _event(row, "call.created", row["created_at"], {"direction": "inbound"}),
                _event(row, "call.answered", row["answered_at"], {}),
            )
            if row["call_id"] in (made if event.type == "call.created" else answered)
        ],
    )


class _Event(Struct):
    call_id: str
    at: dt.datetime
    offset_ms: int
    type: str
    data: dict[str, Any]


def _event(row: dict[str, Any], type_: str, at: dt.datetime, data: dict[str, Any]) -> _Event:
    offset_ms = round((at - row["answered_at"]).total_seconds() * 1000)
    return _Event(row["call_id"], at, offset_ms, type_, data)


async def attach(session: AsyncSession, rows: Rows) -> None:
    newest = {row["call_id"]: row for row in sorted(rows, key=lambda row: row["attach_number"])}
    if newest:
        await session.execute(_ATTACH, {"rows": as_json(list(newest.values()))})


async def set_reasons(session: AsyncSession, rows: Rows) -> None:
    first = {row["call_id"]: row for row in reversed(rows)}
    if first:
        await session.execute(_REASONS, {"rows": as_json(list(first.values()))})


async def streams_work(session: AsyncSession, call_ids: Sequence[str]) -> None:
    if call_ids:
        await session.execute(_STREAMS_WORK, {"ids": list(call_ids)})


def as_json(rows: Sequence[object]) -> str:
    encoded = msgspec.json.encode(rows).decode()
    return msgspec.json.encode(storable(msgspec.to_builtins(rows))).decode() if _NUL in encoded else encoded


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
