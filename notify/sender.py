"""The process's share in telling operators: works through the queue beside whatever else the process does.

Any number of processes work through the same queue. What a process had begun when it was killed goes to
another one after `HEARTBEAT`, so a receiver may hear of an event twice, under the same `webhook-id`.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Any, cast

import asyncpg
import structlog
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Job as QueuedJob
from sqlalchemy import select

from database.deliveries import forget_old, requeue_lost
from database.delivery_queue import CHANNEL, Job, queries_on
from database.models import Webhook
from database.notifications import WEBHOOKS, Notifications
from database.secret_box import SecretBox
from database.session import Database
from notify.attempt import TIMEOUT_SECONDS
from notify.delivering import Delivering
from notify.retries import Retries
from outgoing.address_guard import AddressGuard
from outgoing.guarded_http import guarded_client

AT_ONCE = 40
"""Deliveries in the works, in this process."""
AT_ONCE_TO_ONE = 10
"""To one webhook, in all processes together."""
BATCH = 10
HEARTBEAT = dt.timedelta(seconds=15)
"""Whoever does not say for so long that a delivery is in the works has died over it."""
LOOK_SECONDS = 1.0
"""The queue is looked at so often: it announces what is new, but not what is to be tried again."""
WEBHOOKS_SECONDS = 5.0
"""The list of webhooks is looked at so often, even if none is announced."""
UPKEEP_SECONDS = 60.0
RESTART_SECONDS = 1.0
STOP_SECONDS = 3.0
AFTER_TROUBLE = dt.timedelta(seconds=10)

connect = cast("Callable[..., Awaitable[Any]]", asyncpg.connect)  # pyright: ignore[reportUnknownMemberType] (untyped there)

log = structlog.get_logger(__name__)


class WebhookSender:
    def __init__(
        self,
        *,
        database: Database,
        notifications: Notifications,
        secret_box: SecretBox,
        guard: AddressGuard,
        user_agent: str,
        retries: Retries | None = None,
    ) -> None:
        self._database = database
        self._notifications = notifications
        self._client = guarded_client(guard, timeout_seconds=TIMEOUT_SECONDS, user_agent=user_agent)
        self._delivering = Delivering(database, secret_box, self._client, retries or Retries())
        self.counters = self._delivering.counters
        self._queue: QueueManager | None = None
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Returns at once; Postgres may come later."""
        self._tasks = [
            asyncio.create_task(self._work_forever(), name="webhooks"),
            asyncio.create_task(self._keep_up_forever(), name="webhooks upkeep"),
        ]

    async def stop(self) -> None:
        """Deliveries in the works may finish for `STOP_SECONDS`, then they go back into the queue."""
        self._stopping = True
        if self._queue is not None:
            self._queue.shutdown.set()
            await asyncio.wait(self._tasks[:1], timeout=STOP_SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()

    async def _work_forever(self) -> None:
        while not self._stopping:
            try:
                await self._work()
            # Whatever it is: calls go on, and deliveries are taken up again.
            except Exception as error:
                log.warning("webhooks_wait_for_postgres", error=type(error).__name__)
            if not self._stopping:
                await asyncio.sleep(RESTART_SECONDS)

    async def _work(self) -> None:
        """On a connection of its own, until that is lost or `stop` is called; from the first webhook on."""
        with self._notifications.listen(WEBHOOKS) as news:
            while not await self._webhook_ids():
                await news.wait(WEBHOOKS_SECONDS)
        connection = await connect(self._database.url, timeout=5, command_timeout=10)
        queue = self._queue = QueueManager(queries_on(connection), CHANNEL)
        lanes = asyncio.create_task(self._keep_lanes(queue), name="webhooks lanes")
        try:
            await queue.run(
                dequeue_timeout=dt.timedelta(seconds=LOOK_SECONDS),
                batch_size=BATCH,
                max_concurrent_tasks=AT_ONCE,
                shutdown_on_listener_failure=True,
                heartbeat_timeout=HEARTBEAT,
                log_aggregation_interval=dt.timedelta(0),
            )
        finally:
            self._queue = None
            lanes.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await lanes
            connection.terminate()

    async def _keep_lanes(self, queue: QueueManager) -> None:
        """A lane for each webhook. Those of deleted ones stay, empty, until the process ends."""
        with self._notifications.listen(WEBHOOKS) as news:
            while True:
                try:
                    new = (await self._webhook_ids()).difference(queue.entrypoint_registry)
                except Exception as error:  # as in _work_forever
                    log.warning("webhooks_not_listed", error=type(error).__name__)
                    new = set[str]()
                for webhook_id in new:
                    lane = queue.entrypoint(
                        webhook_id, concurrency_limit=AT_ONCE_TO_ONE, accepts_context=False
                    )
                    lane(self._do)
                await news.wait(WEBHOOKS_SECONDS)

    async def _webhook_ids(self) -> set[str]:
        async with self._database.session() as session:
            return set(await session.scalars(select(Webhook.id)))

    async def _do(self, queued: QueuedJob) -> None:
        """A job that ends otherwise than by returning or asking for another time is lost to PgQueuer."""
        try:
            wait = await self._delivering.deliver(Job.of(queued.entrypoint, queued.payload))
        except asyncio.CancelledError:
            raise RetryRequested from None
        except Exception as error:
            log.warning("webhook_delivery_postponed", error=type(error).__name__)
            raise RetryRequested(AFTER_TROUBLE) from None  # PgQueuer keeps the text of causes
        if wait is not None:
            raise RetryRequested(wait)

    async def _keep_up_forever(self) -> None:
        while True:
            await asyncio.sleep(UPKEEP_SECONDS)
            try:
                async with self._database.session.begin() as session:
                    lost = await requeue_lost(session)
                async with self._database.session.begin() as session:
                    await forget_old(session)
            except Exception as error:  # as in _work_forever
                log.warning("webhooks_upkeep_failed", error=type(error).__name__)
            else:
                if lost:
                    log.warning("webhook_deliveries_requeued", count=lost)
