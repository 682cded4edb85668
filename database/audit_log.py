"""What operators did, and by which key. An entry is part of the transaction that does what it tells."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from database.models import AuditEntry, new_id
from database.pages import After, Page, newest_first


async def add_entry(
    session: AsyncSession,
    *,
    api_key_id: str,
    api_key_hint: str,
    action: str,
    object_id: str | None,
    fields: Sequence[str] = (),
) -> None:
    """`fields`: names only."""
    session.add(
        AuditEntry(
            id=new_id("audit"),
            api_key_id=api_key_id,
            api_key_hint=api_key_hint,
            action=action,
            object_id=object_id,
            fields=list(fields),
        )
    )
    await session.flush()


async def list_entries(
    session: AsyncSession, *, action: str | None, object_id: str | None, limit: int, after: After | None
) -> Page[AuditEntry]:
    query = select(AuditEntry)
    if action is not None:
        query = query.where(AuditEntry.action == action)
    if object_id is not None:
        query = query.where(AuditEntry.object_id == object_id)
    return await newest_first(session, query, AuditEntry.at, AuditEntry.id, limit=limit, after=after)
