"""What OpenAI takes: `/v1/prices`."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any

from litestar import Controller, Request, get, put
from litestar.params import Body
from msgspec import Meta, Struct

from api import examples
from api.audit import note
from api.auth import SECURITY, Caller, needs
from api.body import JsonBody
from api.errors import bad_field
from api.given import TheDatabase
from api.openapi import example, responses
from bridge.call.agent import Dollars
from bridge.call.cost import PriceKind
from database import prices as kept


class Price(Struct, kw_only=True, forbid_unknown_fields=True):
    model: Annotated[str, Meta(min_length=1, max_length=100, description="OpenAI's name of it.")]
    kind: Annotated[PriceKind, Meta(description="As in a call's `usage`; cached input has its own.")]
    usd: Annotated[Dollars, Meta(description="Of a million tokens, or of a minute of transcription.")]
    valid_from: Annotated[
        dt.date, Meta(description="For calls that begin on this day (UTC) or later, until the next price.")
    ]


class PriceTable(Struct, kw_only=True, forbid_unknown_fields=True):
    """All prices there are."""

    items: Annotated[list[Price], Meta(max_length=5000)]


class PriceController(Controller):
    path = "/v1/prices"
    tags = ["Costs"]  # noqa: RUF012 (Litestar's own way to say it)
    security = SECURITY
    guards = [needs("admin")]  # noqa: RUF012 (as above)

    @get(
        operation_id="readPrices",
        summary="Read the prices",
        responses=responses(200, PriceTable, example=examples.PRICES, description="By model and kind."),
    )
    async def read(self, database: TheDatabase) -> PriceTable:
        return await _table(database)

    @put(
        operation_id="replacePrices",
        summary="Replace the prices",
        dto=JsonBody[PriceTable],
        return_dto=None,
        responses=responses(
            200, PriceTable, body=True, example=examples.PRICES, description="As they are now."
        ),
    )
    async def replace(
        self,
        *,
        request: Request[Any, Caller, Any],
        data: Annotated[PriceTable, Body(examples=example(examples.PRICES))],
        database: TheDatabase,
    ) -> PriceTable:
        """All of them: read them first, and add to them. A call keeps the prices of its day."""
        seen: set[tuple[str, str, dt.date]] = set()
        for place, price in enumerate(data.items):
            if (price.model, price.kind, price.valid_from) in seen:
                raise bad_field(f"items[{place}]", "there is a price of this model, kind and day before it")
            seen.add((price.model, price.kind, price.valid_from))
        rows = [(price.model, price.kind, price.valid_from, Decimal(price.usd)) for price in data.items]
        async with database.session.begin() as session:
            await kept.replace_prices(session, rows)
            await note(session, request.auth, "prices.changed", None, sorted({row[0] for row in rows}))
        return await _table(database)


async def _table(database: TheDatabase) -> PriceTable:
    async with database.session() as session:
        rows = await kept.list_prices(session)
    return PriceTable(
        items=[
            Price(model=row.model, kind=row.kind, usd=f"{row.usd:f}", valid_from=row.valid_from)  # pyright: ignore[reportArgumentType] (only kinds that exist are stored)
            for row in rows
        ]
    )
