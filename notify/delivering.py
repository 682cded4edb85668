"""A job of the queue, done: the delivery is read, tried, and what came of it written down."""

from __future__ import annotations

import datetime as dt

import httpx
import structlog
from msgspec import Struct

from database.deliveries import DueDelivery, find_due, record_attempt
from database.delivery_queue import Job
from database.secret_box import SecretBox, UnreadableSecret
from database.session import Database
from notify.attempt import Outcome, attempt
from notify.retries import Retries

log = structlog.get_logger(__name__)


class Counters(Struct):
    """Of this process, since it started; metrics read them."""

    webhooks_delivered: int = 0
    webhook_attempts_failed: int = 0
    webhooks_dead: int = 0


class Delivering:
    def __init__(
        self, database: Database, secret_box: SecretBox, client: httpx.AsyncClient, retries: Retries
    ) -> None:
        self._database = database
        self._secret_box = secret_box
        self._client = client
        self._retries = retries
        self.counters = Counters()

    async def deliver(self, job: Job) -> dt.timedelta | None:
        """How long until the job is to be done again; None: it is done with."""
        async with self._database.session() as session:
            delivery = await find_due(session, job)
        if delivery is None:
            return None
        if delivery.wait_seconds > 0:
            return dt.timedelta(seconds=delivery.wait_seconds)
        outcome = await self._try(delivery)
        delivered = outcome.error is None
        wait = None if delivered or outcome.final else self._retries.wait(delivery.attempts + 1)
        status = "delivered" if delivered else "pending" if wait is not None else "dead"
        self._count(job, status)
        async with self._database.session.begin() as session:
            await record_attempt(
                session,
                delivery,
                status=status,
                response_code=outcome.response_code,
                error=outcome.error,
                next_attempt_in=wait,
            )
        return wait

    def _count(self, job: Job, status: str) -> None:
        if status == "delivered":
            self.counters.webhooks_delivered += 1
            return
        self.counters.webhook_attempts_failed += 1
        if status == "dead":
            self.counters.webhooks_dead += 1
            log.warning("webhook_delivery_dead", webhook_id=job.webhook_id, delivery_id=job.delivery_id)

    async def _try(self, delivery: DueDelivery) -> Outcome:
        try:
            secret = self._secret_box.decrypt(delivery.secret)
        except UnreadableSecret as error:
            return Outcome(None, f"the webhook's secret cannot be read: {error}")
        return await attempt(self._client, delivery.url, secret, delivery.id, delivery.body.encode())
