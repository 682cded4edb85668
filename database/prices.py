"""What OpenAI takes, from which day on. A migration brings the shipped prices; the operator edits them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy import delete, insert, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from bridge.call.cost import TOKEN_KINDS, TRANSCRIPTION_KINDS
from database.models import Price


async def list_prices(session: AsyncSession) -> Sequence[Price]:
    """By model and kind, the newest first."""
    query = select(Price).order_by(Price.model, Price.kind, Price.valid_from.desc())
    return (await session.scalars(query)).all()


async def replace_prices(session: AsyncSession, prices: Sequence[tuple[str, str, dt.date, Decimal]]) -> None:
    """These are all there are: model, kind, day, dollars."""
    await session.execute(text("lock table prices in share row exclusive mode"))
    await session.execute(delete(Price))
    if prices:
        rows = [
            {"model": model, "kind": kind, "valid_from": day, "usd": usd} for model, kind, day, usd in prices
        ]
        await session.execute(insert(Price), rows)


async def prices_on(
    session: AsyncSession, day: dt.date, *, model: str, transcription_model: str | None
) -> dict[str, Decimal]:
    """Dollars by kind, as `bridge.call.cost` reads them; a kind without a price on that day is left out."""
    query = (
        select(Price)
        .where(or_(Price.model == model, Price.model == transcription_model), Price.valid_from <= day)
        .order_by(Price.valid_from)
    )
    kinds_of = {(model, kind) for kind in TOKEN_KINDS}
    kinds_of |= {(transcription_model, kind) for kind in TRANSCRIPTION_KINDS}
    rows = (await session.scalars(query)).all()
    return {row.kind: row.usd for row in rows if (row.model, row.kind) in kinds_of}
