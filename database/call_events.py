"""Writing the events of a call: always under its row's lock, so that ids rise as they become visible."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from database.models import Call, CallEvent
from database.notifications import CALL_EVENTS
from database.outbox import send_to_webhooks


def utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


async def announce(session: AsyncSession, call_id: str) -> None:
    """Wake those who follow the call; delivered when the transaction commits."""
    await session.execute(select(func.pg_notify(CALL_EVENTS, call_id)))


async def add_event(
    session: AsyncSession, call: Call, type_: str, data: dict[str, Any], at: dt.datetime | None = None
) -> None:
    """`call` must be locked, or new, in this transaction. `at`: now, unless given."""
    at = at or utc_now()
    event = CallEvent(
        call_id=call.id,
        at=at,
        offset_ms=offset_ms(at, call.answered_at),
        type=type_,
        data=data,
    )
    session.add(event)
    await session.flush()
    await send_to_webhooks(session, [event.id])
    await announce(session, call.id)


def offset_ms(at: dt.datetime, answered_at: dt.datetime | None) -> int:
    """0 while nobody has answered; `calls.answer` sets these right."""
    return 0 if answered_at is None else round((at - answered_at).total_seconds() * 1000)
