"""One page of a list that is sorted by age, newest first, and where the next one begins."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from msgspec import Struct
from sqlalchemy import Select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

Row = TypeVar("Row")
Item = TypeVar("Item")


class After(Struct, frozen=True, array_like=True):
    """The last row of the page before."""

    created_at: dt.datetime
    id: str


class Page(Struct, Generic[Item], frozen=True):
    items: Sequence[Item]
    next: After | None


async def newest_first(
    session: AsyncSession,
    query: Select[Row],
    created_at: InstrumentedAttribute[dt.datetime],
    id_: InstrumentedAttribute[str],
    *,
    limit: int,
    after: After | None,
) -> Page[Row]:
    if after is not None:
        query = query.where(tuple_(created_at, id_) < tuple_(after.created_at, after.id))
    found: Sequence[Any] = (
        await session.scalars(query.order_by(created_at.desc(), id_.desc()).limit(limit + 1))
    ).all()
    page = found[:limit]
    more = (
        After(getattr(page[-1], created_at.key), getattr(page[-1], id_.key)) if len(found) > limit else None
    )
    return Page(page, more)
