"""What happened on a call, as a list and as it happens."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from api.errors import bad_field
from api.pagination import NextCursor
from database.call_history import events_after, find_call
from database.models import CallEvent as CallEventRow
from database.notifications import CALL_EVENTS, Notifications
from database.session import Database
from database.shown import CallEvent, shown_event

HEARTBEAT_SECONDS = 15.0
"""Proxies close connections on which nothing moves."""
EVENTS_AT_ONCE = 200
MAX_EVENT_ID = 2**63 - 1

EventId = Annotated[int, Meta(ge=0, le=MAX_EVENT_ID)]


class CallEventPage(Struct, frozen=True):
    """Some events, oldest first."""

    items: list[CallEvent]
    next_cursor: NextCursor


class EventsAfter(Struct, frozen=True, array_like=True):
    event_id: EventId


def last_event_id(header: str | None) -> int:
    if header is None:
        return 0
    try:
        return msgspec.convert(header, EventId, strict=False)
    except msgspec.ValidationError as error:
        raise bad_field("Last-Event-ID", "is not the id of an event of this stream") from error


async def follow(
    database: Database, notifications: Notifications, call_id: str, after: int
) -> AsyncGenerator[bytes]:
    """Server-sent events after the one with that id, as they happen; over when the call is, or this process:
    clients then ask again, with `Last-Event-ID`."""
    silent_since = time.monotonic()
    with notifications.listen(CALL_EVENTS, call_id) as news:
        while True:
            rows, over = await _look(database, call_id, after)
            for row in rows:
                yield _encoded(row)
                after = row.id
            if over or notifications.stopping or any(row.type == "call.ended" for row in rows):
                return
            if rows:
                silent_since = time.monotonic()
            elif time.monotonic() - silent_since >= HEARTBEAT_SECONDS:
                yield b": the call goes on\n\n"
                silent_since = time.monotonic()
            await news.wait()


async def _look(database: Database, call_id: str, after: int) -> tuple[Sequence[CallEventRow], bool]:
    """New events, and whether no more will come. The call first: its last event is written with its end."""
    async with database.session() as session:
        call = await find_call(session, call_id)
        rows = await events_after(session, call_id, after, limit=EVENTS_AT_ONCE)
    return rows, call is None or (call.ended_at is not None and len(rows) < EVENTS_AT_ONCE)


def _encoded(row: CallEventRow) -> bytes:
    data = msgspec.json.encode(shown_event(row))
    return f"id: {row.id}\nevent: {row.type}\n".encode() + b"data: " + data + b"\n\n"
