"""Phone numbers: `/v1/phone-numbers`."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.params import Body, FromPath, QueryParameter
from msgspec import UNSET, Meta, Struct, UnsetType

from api import examples
from api.audit import note
from api.auth import SECURITY, Caller, needs
from api.body import JsonBody
from api.errors import not_found
from api.given import TheAddresses, TheDatabase, TheTwilio
from api.idempotency import Attempt, IdempotencyKeyHeader, once
from api.number_setup import NumberSetup, check_agent
from api.openapi import example, responses
from api.pagination import Cursor, Limit, NextCursor, decode_cursor, encode_cursor
from api.spending import check_connectable
from bridge.call.agent import PhoneNumberText
from database import phone_numbers
from database.models import PhoneNumber as PhoneNumberRow
from database.pages import After
from telephony.twilio import AvailableNumber

FallbackUrl = Annotated[
    str,
    Meta(
        pattern=r"^https?://[^\s/]+(/\S*)?$",
        max_length=2000,
        description="Your own TwiML address, which Twilio asks when this server does not answer.",
    ),
]


WhenFull = Annotated[
    str, Meta(min_length=1, max_length=500, description="Said to a caller whom no agent has time for.")
]
ForwardTo = Annotated[
    PhoneNumberText, Meta(description="Rung after that, or at once where nothing is to be said. E.164.")
]


class NewPhoneNumber(Struct, kw_only=True, forbid_unknown_fields=True):
    number: PhoneNumberText
    agent_id: Annotated[str, Meta(min_length=1, max_length=100)]
    buy: Annotated[bool, Meta(description="Buy it if the Twilio account does not have it. Costs money.")] = (
        False
    )
    take_over: Annotated[bool, Meta(description="Take it although it is in use elsewhere.")] = False
    fallback_url: FallbackUrl | None = None
    when_full: WhenFull | None = None
    forward_to: ForwardTo | None = None


class PhoneNumberChange(Struct, kw_only=True, forbid_unknown_fields=True):
    agent_id: Annotated[str, Meta(min_length=1, max_length=100)] | UnsetType = UNSET
    fallback_url: FallbackUrl | UnsetType | None = UNSET
    when_full: WhenFull | UnsetType | None = UNSET
    forward_to: ForwardTo | UnsetType | None = UNSET


class PhoneNumber(Struct, kw_only=True):
    id: str
    number: Annotated[str, Meta(description="E.164.")]
    agent_id: str
    twilio_sid: Annotated[str | None, Meta(description="Twilio's own id of the number.")]
    fallback_url: str | None
    when_full: str | None
    forward_to: str | None
    created_at: dt.datetime


Country = Annotated[str, QueryParameter(pattern="^[A-Z]{2}$", description="ISO 3166, such as `US`.")]
AreaCode = Annotated[
    str | None, QueryParameter(pattern="^[0-9]{3}$", description="In the United States and Canada only.")
]
Contains = Annotated[
    str | None,
    QueryParameter(
        pattern=r"^[0-9A-Za-z*]{2,16}$",
        description="Digits or letters in the number; `*` stands for one digit.",
    ),
]
AvailableLimit = Annotated[int, QueryParameter(ge=1, le=100)]


class PhoneNumberPage(Struct, frozen=True):
    """Some phone numbers, newest first."""

    items: list[PhoneNumber]
    next_cursor: NextCursor


class AvailableNumberPage(Struct, frozen=True):
    """Numbers for sale."""

    items: list[AvailableNumber]
    next_cursor: NextCursor


class PhoneNumberController(Controller):
    path = "/v1/phone-numbers"
    tags = ["Phone numbers"]  # noqa: RUF012 (Litestar's own way to say it)
    security = SECURITY

    @post(
        operation_id="addPhoneNumber",
        summary="Have a number answered by an agent",
        guards=[needs("numbers:write")],
        dto=JsonBody[NewPhoneNumber],
        return_dto=None,
        responses=responses(
            201, PhoneNumber, 409, 502, body=True, example=examples.NUMBER, description="It rings here now."
        ),
    )
    async def create(
        self,
        *,
        request: Request[Any, Caller, Any],
        data: Annotated[NewPhoneNumber, Body(examples=example(examples.NEW_NUMBER))],
        database: TheDatabase,
        twilio: TheTwilio,
        addresses: TheAddresses,
        idempotency_key: IdempotencyKeyHeader = None,
    ) -> Response[PhoneNumber]:
        """Points the number's webhooks here; a number in use elsewhere is 409 unless `take_over` is true.

        What was set before is put back when the number is deleted here.
        """

        async def work(_: Attempt) -> PhoneNumber:
            setup = NumberSetup(database, twilio, addresses, request.auth)
            return _shown(
                await setup.add(
                    data.number,
                    data.agent_id,
                    buy=data.buy,
                    take_over=data.take_over,
                    fallback_url=data.fallback_url,
                    when_full=data.when_full,
                    forward_to=data.forward_to,
                )
            )

        return await once(request, database, idempotency_key, PhoneNumber, work)

    @get(
        operation_id="listPhoneNumbers",
        summary="List phone numbers",
        guards=[needs("numbers:read")],
        responses=responses(200, PhoneNumberPage, description="Newest first."),
    )
    async def list(self, database: TheDatabase, limit: Limit = 50, cursor: Cursor = None) -> PhoneNumberPage:
        async with database.session() as session:
            page = await phone_numbers.list_numbers(session, limit=limit, after=decode_cursor(cursor, After))
        return PhoneNumberPage([_shown(row) for row in page.items], encode_cursor(page.next))

    @get(
        "/available",
        operation_id="listAvailablePhoneNumbers",
        summary="Find numbers to buy",
        guards=[needs("numbers:read")],
        responses=responses(
            200,
            AvailableNumberPage,
            502,
            example=examples.AVAILABLE,
            description="Numbers for sale at Twilio.",
        ),
    )
    async def available(
        self,
        twilio: TheTwilio,
        country: Country = "US",
        area_code: AreaCode = None,
        contains: Contains = None,
        limit: AvailableLimit = 20,
    ) -> AvailableNumberPage:
        found = await twilio.available_numbers(country, area_code=area_code, contains=contains, limit=limit)
        return AvailableNumberPage(found, None)

    @get(
        "/{number_id:str}",
        operation_id="readPhoneNumber",
        summary="Read a phone number",
        guards=[needs("numbers:read")],
        responses=responses(200, PhoneNumber, 404, example=examples.NUMBER),
    )
    async def read(self, number_id: FromPath[str], database: TheDatabase) -> PhoneNumber:
        async with database.session() as session:
            row = await phone_numbers.find_number(session, number_id)
        if row is None:
            raise not_found("phone number", number_id)
        return _shown(row)

    @patch(
        "/{number_id:str}",
        operation_id="changePhoneNumber",
        summary="Give a phone number another agent",
        guards=[needs("numbers:write")],
        dto=JsonBody[PhoneNumberChange],
        return_dto=None,
        responses=responses(200, PhoneNumber, 404, 502, body=True, example=examples.NUMBER),
    )
    async def change(
        self,
        *,
        request: Request[Any, Caller, Any],
        number_id: FromPath[str],
        data: Annotated[PhoneNumberChange, Body(examples=example({"agent_id": examples.AGENT_ID}))],
        database: TheDatabase,
        twilio: TheTwilio,
        addresses: TheAddresses,
    ) -> PhoneNumber:
        """Counts from the next call on; calls that are running keep their agent."""
        async with database.session.begin() as session:
            row = await phone_numbers.find_number(session, number_id, lock=True)
            if row is None:
                raise not_found("phone number", number_id)
            if data.agent_id is not UNSET:
                await check_agent(session, data.agent_id)
                row.agent_id = data.agent_id
            if data.when_full is not UNSET:
                row.when_full = data.when_full
            if data.forward_to is not UNSET:
                await check_connectable(session, "forward_to", data.forward_to)
                row.forward_to = data.forward_to
            if data.fallback_url is not UNSET and data.fallback_url != row.fallback_url:
                row.fallback_url = data.fallback_url
                setup = NumberSetup(database, twilio, addresses, request.auth)
                await setup.point_here(row.twilio_sid, row.fallback_url)
            given = [name for name in data.__struct_fields__ if getattr(data, name) is not UNSET]
            await note(session, request.auth, "number.changed", number_id, given)
            return _shown(row)

    @delete(
        "/{number_id:str}",
        operation_id="deletePhoneNumber",
        summary="Give a phone number back",
        guards=[needs("numbers:write")],
        responses=responses(204, None, 404, 502),
    )
    async def remove(
        self,
        request: Request[Any, Caller, Any],
        number_id: FromPath[str],
        database: TheDatabase,
        twilio: TheTwilio,
        addresses: TheAddresses,
    ) -> None:
        """Its webhooks become what they were before. The Twilio account keeps the number, and pays for it."""
        await NumberSetup(database, twilio, addresses, request.auth).remove(number_id)


def _shown(row: PhoneNumberRow) -> PhoneNumber:
    return PhoneNumber(
        id=row.id,
        number=row.number,
        agent_id=row.agent_id,
        twilio_sid=row.twilio_sid,
        fallback_url=row.fallback_url,
        when_full=row.when_full,
        forward_to=row.forward_to,
        created_at=row.created_at,
    )
