"""Calls whose price Twilio has yet to tell: due a while after their end, then less and less often."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy import select, text, update

from database.call_events import utc_now
from database.costs import dollars
from database.models import Call
from database.session import Database

# A call that nobody answered has asked the voice model for nothing.
_KEEP = text("""
    update calls set price_due_at = null, cost = coalesce(cost, '{}') || cast(:known as jsonb) || cast(
        case when answered_at is null and coalesce(cost ->> 'model', '') = ''
             then '{"model": "0.000000"}' else '{}' end as jsonb)
    where id = :id
""")
ASKED_AFTER_SECONDS = (15, 60, 120, 300, 600, 1800, 3600, 3600, 3600, 7200, 7200)
"""After the end, then after each answer that has no price: some eight hours in all."""


def first_asked(ended_at: dt.datetime) -> dt.datetime:
    return ended_at + dt.timedelta(seconds=ASKED_AFTER_SECONDS[0])


async def take_due(database: Database, *, limit: int) -> Sequence[Call]:
    """Calls to ask for now. No other process gets them, and they are due again if this one is lost."""
    async with database.session.begin() as session:
        query = (
            select(Call)
            .where(Call.price_due_at <= utc_now())
            .order_by(Call.price_due_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        due = (await session.scalars(query)).all()
        for call in due:
            call.price_tries += 1
            call.price_due_at = _next(call.price_tries)
        return due


async def keep_price(database: Database, call_id: str, price: Decimal, currency: str) -> None:
    """What Twilio takes for the call, a positive amount."""
    known = {"telephony": dollars(price), "telephony_currency": currency}
    async with database.session.begin() as session:
        await session.execute(_KEEP, {"id": call_id, "known": json.dumps(known)})


async def give_up(database: Database, call_id: str) -> None:
    async with database.session.begin() as session:
        await session.execute(update(Call).where(Call.id == call_id).values(price_due_at=None))


def _next(tries: int) -> dt.datetime | None:
    if tries >= len(ASKED_AFTER_SECONDS):
        return None
    return utc_now() + dt.timedelta(seconds=ASKED_AFTER_SECONDS[tries])
