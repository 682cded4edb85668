"""What may be dialled, and how much: `/v1/guards`."""

from __future__ import annotations

from typing import Annotated, Any

import phonenumbers
from litestar import Controller, Request, get, put
from litestar.params import Body

from api import examples
from api.audit import differing, note
from api.auth import SECURITY, Caller, needs
from api.body import JsonBody
from api.errors import bad_field
from api.given import TheDatabase
from api.openapi import example, responses
from database import guards as kept
from database.guards import Guards


class GuardController(Controller):
    path = "/v1/guards"
    tags = ["Guards"]  # noqa: RUF012 (Litestar's own way to say it)
    security = SECURITY
    guards = [needs("admin")]  # noqa: RUF012 (as above)

    @get(
        operation_id="readGuards",
        summary="Read what may be dialled",
        responses=responses(200, Guards, example=examples.GUARDS),
    )
    async def read(self, database: TheDatabase) -> Guards:
        async with database.session() as session:
            return await kept.current(session)

    @put(
        operation_id="replaceGuards",
        summary="Say what may be dialled, and how much",
        dto=JsonBody[Guards],
        return_dto=None,
        responses=responses(200, Guards, body=True, example=examples.GUARDS, description="As they are now."),
    )
    async def replace(
        self,
        *,
        request: Request[Any, Caller, Any],
        data: Annotated[Guards, Body(examples=example(examples.GUARDS))],
        database: TheDatabase,
    ) -> Guards:
        """All of them: what is left out is not limited any more. Counts from the next call that is placed.

        Premium, satellite, emergency and short numbers are refused whatever is allowed here.
        """
        for place, country in enumerate(data.countries or ()):
            if country not in phonenumbers.SUPPORTED_REGIONS:
                raise bad_field(f"countries[{place}]", f"there is no country {country}")
        async with database.session.begin() as session:
            before = await kept.current(session)
            await kept.put(session, data)
            await note(session, request.auth, "guards.changed", None, differing(before, data))
        return data
