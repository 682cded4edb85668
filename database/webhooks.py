"""Webhooks and their deliveries as operators handle them."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from database.delivery_queue import Job, enqueue, forget_lane
from database.models import Webhook, WebhookDelivery, new_id
from database.notifications import WEBHOOKS
from database.pages import After, Page, newest_first
from database.secret_box import SecretBox

SECRET_BYTES = 32
SECRET_PREFIX = "whsec_"  # noqa: S105 (https://www.standardwebhooks.com: how every secret begins)


async def create_webhook(
    session: AsyncSession, secret_box: SecretBox, *, url: str, events: Sequence[str]
) -> tuple[Webhook, str]:
    """The webhook, and its secret, which is nowhere to be had again."""
    secret = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    webhook = Webhook(id=new_id("webhook"), url=url, events=list(events), secret=secret_box.encrypt(secret))
    session.add(webhook)
    await session.flush()
    await session.refresh(webhook)
    await session.execute(select(func.pg_notify(WEBHOOKS, webhook.id)))
    return webhook, secret


async def list_webhooks(session: AsyncSession, *, limit: int, after: After | None) -> Page[Webhook]:
    return await newest_first(
        session, select(Webhook), Webhook.created_at, Webhook.id, limit=limit, after=after
    )


async def webhook_exists(session: AsyncSession, webhook_id: str) -> bool:
    return await session.get(Webhook, webhook_id) is not None


async def delete_webhook(session: AsyncSession, webhook_id: str) -> bool:
    """With its deliveries. False: there is no such webhook."""
    found = await session.scalar(delete(Webhook).where(Webhook.id == webhook_id).returning(Webhook.id))
    if found is None:
        return False
    await forget_lane(session, webhook_id)
    await session.execute(select(func.pg_notify(WEBHOOKS, webhook_id)))
    return True


async def list_deliveries(
    session: AsyncSession, webhook_id: str, *, status: str | None, limit: int, after: After | None
) -> Page[WebhookDelivery]:
    query = select(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook_id)
    if status is not None:
        query = query.where(WebhookDelivery.status == status)
    return await newest_first(
        session, query, WebhookDelivery.created_at, WebhookDelivery.id, limit=limit, after=after
    )


async def redeliver(session: AsyncSession, webhook_id: str, delivery_id: str) -> WebhookDelivery | None:
    """Whatever became of it, it is tried again from now on, under the same id."""
    query = select(WebhookDelivery).where(
        WebhookDelivery.id == delivery_id, WebhookDelivery.webhook_id == webhook_id
    )
    delivery = await session.scalar(query.with_for_update())
    if delivery is None:
        return None
    delivery.round += 1
    delivery.status = "pending"
    delivery.attempts = 0
    delivery.next_attempt_at = await session.scalar(select(func.now()))
    await session.flush()
    await enqueue(session, [Job(webhook_id, delivery.id, delivery.round)])
    return delivery
