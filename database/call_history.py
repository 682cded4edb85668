"""Calls as operators read them: lists, events, transcripts; and the erasing of what was said."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from database.models import Call, CallCommand, CallEvent, TranscriptLine, WebhookDelivery
from database.pages import After, Page, newest_first
from database.recordings import erase_parts
from database.session import Database

ERASED = "erased"
"""Stands in place of the other side's number once a call's content was erased."""


class CallFilter(Struct, frozen=True, kw_only=True):
    status: str | None = None
    agent_id: str | None = None
    from_: str | None = None
    to: str | None = None
    since: dt.datetime | None = None
    """Created at or after."""
    until: dt.datetime | None = None
    """Created before."""


async def list_calls(
    session: AsyncSession, wanted: CallFilter, *, limit: int, after: After | None
) -> Page[Call]:
    query = select(Call)
    for column, value in (
        (Call.status, wanted.status),
        (Call.agent_id, wanted.agent_id),
        (Call.from_, wanted.from_),
        (Call.to, wanted.to),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.since is not None:
        query = query.where(Call.created_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(Call.created_at < wanted.until)
    return await newest_first(session, query, Call.created_at, Call.id, limit=limit, after=after)


async def find_call(session: AsyncSession, call_id: str, *, lock: bool = False) -> Call | None:
    query = select(Call).where(Call.id == call_id).execution_options(populate_existing=True)
    return await session.scalar(query.with_for_update() if lock else query)


async def events_after(
    session: AsyncSession, call_id: str, event_id: int, *, limit: int
) -> Sequence[CallEvent]:
    """Oldest first. Ids rise as events become visible: asking for those after the last misses none."""
    query = (
        select(CallEvent)
        .where(CallEvent.call_id == call_id, CallEvent.id > event_id)
        .order_by(CallEvent.id)
        .limit(limit)
    )
    return (await session.scalars(query)).all()


async def transcript(session: AsyncSession, call_id: str) -> Sequence[TranscriptLine]:
    """In the order in which things were said."""
    query = (
        select(TranscriptLine)
        .where(TranscriptLine.call_id == call_id)
        .order_by(TranscriptLine.position, TranscriptLine.start_ms, TranscriptLine.item_id)
    )
    return (await session.scalars(query)).all()


async def erase_content(session: AsyncSession, call: Call) -> None:
    """What was said and who the other side was. That there was a call, and what it cost, stays."""
    await _erase_words(session, [call.id])
    other_side = {"to": ERASED} if call.direction == "outbound" else {"from_": ERASED}
    await session.execute(update(Call).where(Call.id == call.id).values(metadata_={}, **other_side))


async def erase_old_words(database: Database, ended_before: dt.datetime, *, limit: int) -> int:
    """What was said on calls that ended before then, the oldest first; returns of how many. Those of
    another process are left to it."""
    async with database.session.begin() as session:
        query = (
            select(Call.id)
            .where(Call.ended_at < ended_before, Call.content_erased_at.is_(None))
            .order_by(Call.ended_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        call_ids = (await session.scalars(query)).all()
        await _erase_words(session, call_ids)
        return len(call_ids)


async def _erase_words(session: AsyncSession, call_ids: Sequence[str]) -> None:
    for table in (TranscriptLine, CallEvent, CallCommand, WebhookDelivery):
        await session.execute(delete(table).where(table.call_id.in_(call_ids)))
    await erase_parts(session, call_ids)
    await session.execute(
        update(Call).where(Call.id.in_(call_ids)).values(variables={}, content_erased_at=func.now())
    )
