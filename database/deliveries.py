"""Deliveries as their sender handles them: one to try, what came of it, those that fell out of the queue."""

from __future__ import annotations

import datetime as dt

from msgspec import Struct
from sqlalchemy import String, cast, delete, exists, func, select, table, update
from sqlalchemy import column as col
from sqlalchemy.ext.asyncio import AsyncSession

from database.delivery_queue import SETTINGS, Job, enqueue
from database.models import Webhook, WebhookDelivery

KEPT_DAYS = 30
"""How long a delivery that is over may be looked at, and sent again."""
QUEUE_LOG_DAYS = 1
LOST_SECONDS = 60
"""A delivery that is overdue by so much, and not in the queue, has fallen out of it."""
LOST_AT_ONCE = 1000
FORGOTTEN_AT_ONCE = 5000


class DueDelivery(Struct, frozen=True):
    """What is to be sent, and where."""

    id: str
    round: int
    url: str
    secret: str
    """Encrypted."""
    body: str
    attempts: int
    """Made so far."""
    wait_seconds: float
    """Positive: it is not due yet."""


async def find_due(session: AsyncSession, job: Job) -> DueDelivery | None:
    """None: nothing is to be done for this job any more."""
    query = (
        select(WebhookDelivery, Webhook, func.now())
        .join(Webhook, Webhook.id == WebhookDelivery.webhook_id)
        .where(
            WebhookDelivery.id == job.delivery_id,
            WebhookDelivery.round == job.round,
            WebhookDelivery.status == "pending",
        )
    )
    row = (await session.execute(query)).one_or_none()
    if row is None:
        return None
    delivery, webhook, now = row
    due = delivery.next_attempt_at or now
    return DueDelivery(
        id=delivery.id,
        round=delivery.round,
        url=webhook.url,
        secret=webhook.secret,
        body=delivery.body,
        attempts=delivery.attempts,
        wait_seconds=(due - now).total_seconds(),
    )


async def record_attempt(
    session: AsyncSession,
    delivery: DueDelivery,
    *,
    status: str,
    response_code: int | None,
    error: str | None,
    next_attempt_in: dt.timedelta | None,
) -> None:
    """Nothing happens where the operator asked for it anew meanwhile, or deleted it."""
    await session.execute(
        update(WebhookDelivery)
        .where(
            WebhookDelivery.id == delivery.id,
            WebhookDelivery.round == delivery.round,
            WebhookDelivery.status == "pending",
        )
        .values(
            status=status,
            attempts=delivery.attempts + 1,
            response_code=response_code,
            error=error,
            last_attempt_at=func.now(),
            next_attempt_at=None if next_attempt_in is None else func.now() + next_attempt_in,
        )
    )


async def requeue_lost(session: AsyncSession) -> int:
    """Back into the queue with those that are due and not in it. Returns how many there were."""
    queue = table(SETTINGS.queue_table, col("dedupe_key"))
    in_queue = exists().where(
        queue.c.dedupe_key == WebhookDelivery.id + "/" + cast(WebhookDelivery.round, String)
    )
    query = (
        select(WebhookDelivery.webhook_id, WebhookDelivery.id, WebhookDelivery.round)
        .where(
            WebhookDelivery.status == "pending",
            WebhookDelivery.next_attempt_at < func.now() - dt.timedelta(seconds=LOST_SECONDS),
            ~in_queue,
        )
        .limit(LOST_AT_ONCE)
    )
    lost = [Job(*row) for row in (await session.execute(query)).all()]
    await enqueue(session, lost)
    return len(lost)


async def forget_old(session: AsyncSession) -> None:
    """Deliveries that have been over for long, and the queue's own log."""
    old = (
        select(WebhookDelivery.id)
        .where(
            WebhookDelivery.status != "pending",
            WebhookDelivery.created_at < func.now() - dt.timedelta(days=KEPT_DAYS),
        )
        .limit(FORGOTTEN_AT_ONCE)
    )
    await session.execute(delete(WebhookDelivery).where(WebhookDelivery.id.in_(old.scalar_subquery())))
    log = table(SETTINGS.queue_table_log, col("created"))
    await session.execute(delete(log).where(log.c.created < func.now() - dt.timedelta(days=QUEUE_LOG_DAYS)))
