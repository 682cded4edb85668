"""Calls of which the database and Twilio may think differently."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import and_, func, or_, select

from database.call_events import utc_now
from database.models import Call
from database.session import Database

UNHEARD_SECONDS = 120
"""A call that is up is not asked for more often."""
SETTLED_SECONDS = 20
"""After the end that we gave a call, within which Twilio tells by itself that it has ended."""
ENDED_SECONDS = 900
"""Calls that ended longer ago are left alone."""


async def take_unsure(database: Database, *, limit: int) -> Sequence[Call]:
    """Calls to ask Twilio for, those of which nothing was heard for longest first. No other process gets
    them meanwhile.

    Unfinished ones: their end may have been missed. Ones that we ended, and Twilio has not confirmed: they
    may still be running. A call without a CallSid is never among them.
    """
    now = utc_now()
    heard_at = func.coalesce(Call.twilio_checked_at, Call.answered_at, Call.created_at)
    unfinished = and_(Call.ended_at.is_(None), heard_at < now - dt.timedelta(seconds=UNHEARD_SECONDS))
    unconfirmed = and_(
        Call.ended_at.between(
            now - dt.timedelta(seconds=ENDED_SECONDS), now - dt.timedelta(seconds=SETTLED_SECONDS)
        ),
        Call.content_erased_at.is_(None),  # as in the index
        or_(Call.twilio_checked_at.is_(None), Call.twilio_checked_at < Call.ended_at),
    )
    query = (
        select(Call)
        .where(Call.twilio_call_sid.is_not(None), or_(unfinished, unconfirmed))
        .order_by(heard_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    async with database.session.begin() as session:
        unsure = (await session.scalars(query)).all()
        for call in unsure:
            call.twilio_checked_at = now
        return unsure
