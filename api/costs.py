"""What calls have cost: `/v1/costs`."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

import msgspec
from litestar import Controller, get
from litestar.params import QueryParameter
from msgspec import Meta, Struct

from api import examples
from api.auth import SECURITY, needs
from api.errors import bad_field
from api.given import TheDatabase
from api.openapi import responses
from database import costs
from database.costs import Spent, dollars

GroupBy = Literal["agent", "day"]
LONGEST = dt.timedelta(days=366)


class CostSum(Struct, kw_only=True):
    """What some calls have cost, as far as it is known."""

    calls: int
    unknown: Annotated[
        int, Meta(description="Calls of which a part is not known (yet), or is not in this currency.")
    ]
    model: str
    telephony: str
    total: str


class CostGroup(CostSum, kw_only=True):
    agent_id: str | None
    day: dt.date | None


class Costs(Struct, kw_only=True, rename={"from_": "from"}):
    """Costs by agent or by day."""

    from_: dt.date
    to: dt.date
    currency: str
    items: Annotated[
        list[CostGroup], Meta(description="The dearest agent first, or the oldest day; none without calls.")
    ]
    total: CostSum


def _day(name: str, description: str) -> Any:
    return QueryParameter(
        name=name, description=f"{description} Such as `2026-11-22`.", schema_extra={"format": "date"}
    )


class CostController(Controller):
    path = "/v1/costs"
    tags = ["Costs"]  # noqa: RUF012 (Litestar's own way to say it)
    security = SECURITY

    @get(
        operation_id="readCosts",
        summary="Read what calls have cost",
        guards=[needs("calls:read")],
        responses=responses(200, Costs, example=examples.COSTS, description="As far as it is known."),
    )
    async def read(
        self,
        *,
        database: TheDatabase,
        from_: Annotated[str | None, _day("from", "The first day, UTC. Default: 30 days ago.")] = None,
        to: Annotated[str | None, _day("to", "The last day, UTC. Default: today.")] = None,
        group_by: Annotated[GroupBy, QueryParameter(name="group_by")] = "day",
    ) -> Costs:
        """Calls count on the day on which they were created. At most 366 days at once."""
        last = _date("to", to) or dt.datetime.now(dt.UTC).date()
        first = _date("from", from_) or max(last, dt.date(2000, 1, 1)) - dt.timedelta(days=30)
        if not dt.timedelta(0) <= last - first < LONGEST:
            raise bad_field("from", "must be a day before `to`, and at most 366 days before it")
        since = dt.datetime.combine(first, dt.time(), dt.UTC)
        until = dt.datetime.combine(last, dt.time.max, dt.UTC)
        async with database.session() as session:
            total = await costs.spent(session, since, until)
            if group_by == "day":
                items = [
                    CostGroup(agent_id=None, day=dt.date.fromisoformat(one.key), **_amounts(one.spent))
                    for one in await costs.spent_by_day(session, since, until)
                ]
            else:
                items = [
                    CostGroup(agent_id=one.key, day=None, **_amounts(one.spent))
                    for one in await costs.spent_by_agent(session, since, until)
                ]
        return Costs(
            from_=first, to=last, currency=costs.CURRENCY, items=items, total=CostSum(**_amounts(total))
        )


def _amounts(spent: Spent) -> dict[str, Any]:
    return {
        "calls": spent.calls,
        "unknown": spent.unknown,
        "model": dollars(spent.model),
        "telephony": dollars(spent.telephony),
        "total": dollars(spent.model + spent.telephony),
    }


def _date(name: str, text: str | None) -> dt.date | None:
    if text is None:
        return None
    try:
        return msgspec.convert(text, dt.date)
    except msgspec.ValidationError as error:
        raise bad_field(name, "is not a day, such as 2026-11-22") from error
