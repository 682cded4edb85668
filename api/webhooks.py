"""Webhooks to the operator's systems: `/v1/webhooks`."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

import msgspec
from litestar import Controller, Request, delete, get, post
from litestar.params import Body, FromPath, QueryParameter
from msgspec import Meta, Struct
from sqlalchemy.ext.asyncio import AsyncSession

from api import examples
from api.audit import note
from api.auth import SECURITY, Caller, needs
from api.body import JsonBody
from api.errors import bad_field, not_found
from api.given import TheAddressGuard, TheDatabase, TheSecretBox
from api.openapi import example, responses
from api.pagination import Cursor, Limit, NextCursor, decode_cursor, encode_cursor
from database import webhooks
from database.event_types import EventType
from database.models import Webhook as WebhookRow
from database.models import WebhookDelivery as DeliveryRow
from database.pages import After

DeliveryStatus = Literal["pending", "delivered", "dead"]


class NewWebhook(Struct, kw_only=True, forbid_unknown_fields=True):
    url: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=2000,
            description="A public https address. OUTGOING_ALLOWED_HOSTS allows others.",
            extra_json_schema={"format": "uri"},
        ),
    ]
    events: Annotated[
        list[EventType | Literal["*"]],
        Meta(
            min_length=1,
            max_length=100,
            description="Types of call events; `*` is all, of later versions too.",
        ),
    ]


class Webhook(Struct, kw_only=True):
    id: str
    url: str
    events: list[str]
    created_at: dt.datetime


class WebhookWithSecret(Webhook, kw_only=True):
    secret: Annotated[
        str, Meta(description="For checking signatures. Shown this once; it is kept encrypted.")
    ]


class WebhookPage(Struct, frozen=True):
    """Some webhooks, newest first."""

    items: list[Webhook]
    next_cursor: NextCursor


class WebhookDelivery(Struct, kw_only=True):
    id: Annotated[str, Meta(description="The header `webhook-id`, the same at every attempt.")]
    webhook_id: str
    call_id: str
    event_type: str
    status: Annotated[
        DeliveryStatus, Meta(description="`dead`: nothing more is tried unless you ask for it again.")
    ]
    attempts: Annotated[int, Meta(description="So far, since it was last asked for.")]
    response_code: Annotated[int, Meta(description="Of the last attempt; `null`: no answer.")] | None
    error: Annotated[str, Meta(description="Why the last attempt failed.")] | None
    created_at: dt.datetime
    last_attempt_at: dt.datetime | None
    next_attempt_at: Annotated[dt.datetime, Meta(description="`null`: delivered or dead.")] | None


class WebhookDeliveryPage(Struct, frozen=True):
    """Some deliveries, newest first."""

    items: list[WebhookDelivery]
    next_cursor: NextCursor


class WebhookController(Controller):
    path = "/v1/webhooks"
    tags = ["Webhooks"]  # noqa: RUF012 (Litestar's own way to say it)
    security = SECURITY
    guards = [needs("admin")]  # noqa: RUF012 (as above)

    @post(
        operation_id="createWebhook",
        summary="Have call events sent to you",
        dto=JsonBody[NewWebhook],
        return_dto=None,
        responses=responses(
            201,
            WebhookWithSecret,
            body=True,
            example=examples.WEBHOOK_WITH_SECRET,
            description="The webhook and its secret.",
        ),
    )
    async def create(
        self,
        request: Request[Any, Caller, Any],
        data: Annotated[NewWebhook, Body(examples=example(examples.NEW_WEBHOOK))],
        database: TheDatabase,
        secret_box: TheSecretBox,
        address_guard: TheAddressGuard,
    ) -> WebhookWithSecret:
        """From now on each such event is POSTed there with the call as it stood then, signed as in Standard
        Webhooks. What is not answered with 2xx within 10 s is tried again for a day.
        """
        if why := address_guard.why_refused(data.url):
            raise bad_field("url", why)
        async with database.session.begin() as session:
            row, secret = await webhooks.create_webhook(
                session, secret_box, url=data.url, events=list(dict.fromkeys(data.events))
            )
            await note(session, request.auth, "webhook.created", row.id)
        return WebhookWithSecret(
            id=row.id, url=row.url, events=row.events, created_at=row.created_at, secret=secret
        )

    @get(
        operation_id="listWebhooks",
        summary="List webhooks",
        responses=responses(200, WebhookPage, description="Newest first."),
    )
    async def list(self, database: TheDatabase, limit: Limit = 50, cursor: Cursor = None) -> WebhookPage:
        async with database.session() as session:
            page = await webhooks.list_webhooks(session, limit=limit, after=decode_cursor(cursor, After))
        return WebhookPage([_shown(row) for row in page.items], encode_cursor(page.next))

    @delete(
        "/{webhook_id:str}",
        operation_id="deleteWebhook",
        summary="Delete a webhook",
        responses=responses(204, None, 404),
    )
    async def remove(
        self, request: Request[Any, Caller, Any], webhook_id: FromPath[str], database: TheDatabase
    ) -> None:
        """Its deliveries go with it, those that are still to be tried too."""
        async with database.session.begin() as session:
            if not await webhooks.delete_webhook(session, webhook_id):
                raise not_found("webhook", webhook_id)
            await note(session, request.auth, "webhook.deleted", webhook_id)

    @get(
        "/{webhook_id:str}/deliveries",
        operation_id="listWebhookDeliveries",
        summary="List a webhook's deliveries",
        responses=responses(200, WebhookDeliveryPage, 404, description="Newest first."),
    )
    async def deliveries(
        self,
        *,
        webhook_id: FromPath[str],
        database: TheDatabase,
        limit: Limit = 50,
        cursor: Cursor = None,
        status: Annotated[DeliveryStatus | None, QueryParameter(name="status")] = None,
    ) -> WebhookDeliveryPage:
        """`status=dead` lists what was given up. Those that are over are kept for 30 days."""
        after = decode_cursor(cursor, After)
        async with database.session() as session:
            await _require(session, webhook_id)
            page = await webhooks.list_deliveries(
                session, webhook_id, status=status, limit=limit, after=after
            )
        return WebhookDeliveryPage([_shown_delivery(row) for row in page.items], encode_cursor(page.next))

    @post(
        "/{webhook_id:str}/deliveries/{delivery_id:str}/redeliver",
        operation_id="redeliverWebhook",
        summary="Deliver again",
        status_code=200,
        responses=responses(
            200,
            WebhookDelivery,
            404,
            example=examples.WEBHOOK_DELIVERY,
            description="It is being tried again.",
        ),
    )
    async def redeliver(
        self,
        request: Request[Any, Caller, Any],
        webhook_id: FromPath[str],
        delivery_id: FromPath[str],
        database: TheDatabase,
    ) -> WebhookDelivery:
        """At once, whatever became of it: the same body, the same `webhook-id`, and a day of attempts."""
        async with database.session.begin() as session:
            await _require(session, webhook_id)
            row = await webhooks.redeliver(session, webhook_id, delivery_id)
            if row is None:
                raise not_found("delivery", delivery_id)
            await note(session, request.auth, "webhook.redelivered", delivery_id)
        return _shown_delivery(row)


async def _require(session: AsyncSession, webhook_id: str) -> None:
    if not await webhooks.webhook_exists(session, webhook_id):
        raise not_found("webhook", webhook_id)


def _shown(row: WebhookRow) -> Webhook:
    return Webhook(id=row.id, url=row.url, events=row.events, created_at=row.created_at)


def _shown_delivery(row: DeliveryRow) -> WebhookDelivery:
    return msgspec.convert(row, WebhookDelivery, from_attributes=True)
