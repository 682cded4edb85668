"""What may be dialled, and how much: one set of guards for all agents and processes."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from bridge.call.agent import Dollars
from database import costs
from database.models import Call, GuardSettings

Country = Annotated[str, Meta(pattern="^[A-Z]{2}$", description="ISO 3166, such as `US`.")]
Destination = Annotated[
    str,
    Meta(
        pattern=r"^\+[1-9]([0-9]{6,14}|[0-9]{0,13}\*)$",
        description="A number in E.164, or how numbers begin and a star: `+4930*`.",
    ),
]
Destinations = Annotated[list[Destination], Meta(max_length=1000)]
Limit = Annotated[int, Meta(ge=0, le=1_000_000)]

PLACING = 0x63616C6C
"""Postgres' advisory lock under which calls are counted and added, so that no two take the last place."""


class Guards(Struct, kw_only=True, forbid_unknown_fields=True):
    """What is left out, or null, is not limited; only `countries` then means those of one's own numbers."""

    countries: (
        Annotated[
            list[Country],
            Meta(max_length=250, description="Only these are called; null: those of your own numbers."),
        ]
        | None
    ) = None
    allow: Annotated[
        Destinations, Meta(description="If there are any, only these are called, in whatever country.")
    ] = msgspec.field(default_factory=list[str])
    deny: Annotated[Destinations, Meta(description="Never called, whatever else is allowed.")] = (
        msgspec.field(default_factory=list[str])
    )
    max_calls_per_day: Annotated[Limit, Meta(description="Calls placed a day, in UTC.")] | None = None
    max_calls_per_destination_per_day: (
        Annotated[Limit, Meta(description="Calls placed to one number a day, in UTC.")] | None
    ) = None
    max_concurrent_calls: Annotated[Limit, Meta(description="Calls placed and not over yet.")] | None = None
    max_cost_per_day: (
        Annotated[
            Dollars,
            Meta(description="US dollars. Once all calls of the day (UTC) have cost it, none is placed."),
        ]
        | None
    ) = None


async def current(session: AsyncSession) -> Guards:
    config = await session.scalar(select(GuardSettings.config))
    # A newer release may have written guards that this one does not know.
    known = {name: value for name, value in (config or {}).items() if name in Guards.__struct_fields__}
    return msgspec.convert(known, Guards)


async def put(session: AsyncSession, guards: Guards) -> None:
    config: dict[str, Any] = msgspec.to_builtins(guards)
    row = insert(GuardSettings).values(id=1, config=config)
    await session.execute(
        row.on_conflict_do_update(
            index_elements=["id"], set_={"config": row.excluded.config, "updated_at": func.now()}
        )
    )


async def why_too_much(session: AsyncSession, guards: Guards, to: str) -> str | None:
    """In words why no call is placed now, though `to` may be called; None: one may, in this transaction."""
    today = dt.datetime.now(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    placed = Call.direction == "outbound"
    placed_today = placed & (Call.created_at >= today)
    limits: list[tuple[int | None, ColumnElement[bool], str]] = [
        (guards.max_concurrent_calls, placed & Call.ended_at.is_(None), "calls are being placed or up"),
        (
            guards.max_calls_per_destination_per_day,
            placed_today & (Call.to == to),
            "calls to this number were placed today (UTC)",
        ),
        (guards.max_calls_per_day, placed_today, "calls were placed today (UTC)"),
    ]
    if all(limit is None for limit, _, _ in limits) and guards.max_cost_per_day is None:
        return None
    await session.execute(select(func.pg_advisory_xact_lock(PLACING)))
    for limit, which, counted in limits:
        if limit is not None:
            count = await session.scalar(select(func.count()).select_from(Call).where(which)) or 0
            if count >= limit:
                return f"{count} {counted}, and the guards allow {limit}: see /v1/guards"
    if guards.max_cost_per_day is None:
        return None
    spent = await costs.spent(session, today, today + dt.timedelta(days=1))
    if spent.model + spent.telephony < Decimal(guards.max_cost_per_day):
        return None
    dollars = guards.max_cost_per_day
    return f"today's calls (UTC) have cost the {dollars} US dollars that the guards allow: see /v1/guards"
