"""What calls cost: `calls.cost` is `{model, telephony, telephony_currency}`, each when it becomes known."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Date, Numeric, Select, case, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from database.models import Call

CURRENCY = "USD"
"""Of OpenAI's prices; Twilio's are in that of the account."""
MICRODOLLAR = Decimal("0.000001")


def dollars(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount.quantize(MICRODOLLAR):f}"


def total(cost: Mapping[str, Any]) -> str | None:
    """Of a call, in `CURRENCY`; None while a part is unknown, or is in another currency."""
    model, telephony = cost.get("model"), cost.get("telephony")
    if model is None or telephony is None or cost.get("telephony_currency") != CURRENCY:
        return None
    return dollars(Decimal(model) + Decimal(telephony))


class Spent(Struct, frozen=True):
    """Of some calls, in `CURRENCY`, as far as it is known."""

    calls: int
    unknown: int
    """Calls of which a part is not known, or is in another currency."""
    model: Decimal
    telephony: Decimal


class SpentBy(Struct, frozen=True):
    key: str
    """The agent's id, or the day."""
    spent: Spent


async def spent(session: AsyncSession, since: dt.datetime, until: dt.datetime) -> Spent:
    """On calls that were created in that time."""
    row = (await session.execute(_sums(since, until))).one()
    return Spent(*row)


async def spent_by_day(session: AsyncSession, since: dt.datetime, until: dt.datetime) -> Sequence[SpentBy]:
    """Oldest day first, in UTC; a day without calls is left out."""
    day = cast(func.timezone("UTC", Call.created_at), Date)
    rows = await session.execute(_sums(since, until).add_columns(day).group_by(day).order_by(day))
    return [SpentBy(str(found), Spent(*sums)) for *sums, found in rows]


async def spent_by_agent(session: AsyncSession, since: dt.datetime, until: dt.datetime) -> Sequence[SpentBy]:
    """The dearest first."""
    sums = _sums(since, until).add_columns(Call.agent_id).group_by(Call.agent_id)
    rows = await session.execute(sums.order_by((_sum("model") + _telephony_sum()).desc(), Call.agent_id))
    return [SpentBy(agent_id, Spent(*found)) for *found, agent_id in rows]


def _sums(since: dt.datetime, until: dt.datetime) -> Select[int, int, Decimal, Decimal]:
    known = _part("model").is_not(None) & _part("telephony").is_not(None) & _is_ours()
    unknown = func.count() - func.count(case((known, 1)))
    return select(func.count(), unknown, _sum("model"), _telephony_sum()).where(
        Call.created_at >= since, Call.created_at < until
    )


def _part(name: str) -> ColumnElement[str]:
    cost: InstrumentedAttribute[Any] = Call.cost
    return cost[name].astext


def _is_ours() -> ColumnElement[bool]:
    return _part("telephony_currency") == CURRENCY


def _sum(name: str) -> ColumnElement[Decimal]:
    return func.coalesce(func.sum(cast(_part(name), Numeric)), 0)


def _telephony_sum() -> ColumnElement[Decimal]:
    return func.coalesce(func.sum(case((_is_ours(), cast(_part("telephony"), Numeric)))), 0)
