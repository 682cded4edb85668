"""PgQueuer, the queue in Postgres that says when a delivery is to be tried: https://janbjorge.github.io/pgqueuer/

Each webhook is a lane of its own (an *entrypoint* there), so that one whose receiver hangs holds up no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import Channel
from sqlalchemy.ext.asyncio import AsyncSession

from database.session import driver_of

CHANNEL = Channel("ch_pgqueuer")
# All said here: what is left out PgQueuer takes from environment variables, some with names like TRIGGER.
SETTINGS = DBSettings(
    prefix="",
    db_schema=None,
    channel=CHANNEL,
    function="fn_pgqueuer_changed",
    statistics_table="pgqueuer_statistics",
    queue_status_type="pgqueuer_status",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    trigger="tg_pgqueuer_changed",
    schedules_table="pgqueuer_schedules",
    durability=Durability.durable,
    widen_id=True,
)


class Job(Struct, frozen=True):
    """A delivery's place in the queue."""

    webhook_id: str
    delivery_id: str
    round: int

    @property
    def key(self) -> str:
        """In the queue once at a time."""
        return f"{self.delivery_id}/{self.round}"

    @classmethod
    def of(cls, webhook_id: str, payload: bytes | None) -> Job:
        delivery_id, _, round_ = (payload or b"").decode().partition("/")
        return cls(webhook_id, delivery_id, int(round_))


def queries_on(connection: Any) -> Queries:
    """`connection`: asyncpg's."""
    return Queries(
        AsyncpgDriver(connection),
        qbe=QueryBuilderEnvironment(SETTINGS),
        qbq=QueryQueueBuilder(SETTINGS),
        qbs=QuerySchedulerBuilder(SETTINGS),
    )


async def enqueue(session: AsyncSession, jobs: Sequence[Job]) -> None:
    """In the session's transaction, due at once. Those that are in the queue already stay as they are."""
    if not jobs:
        return
    payloads: list[bytes | None] = [job.key.encode() for job in jobs]
    keys: list[str | None] = [job.key for job in jobs]
    queries = queries_on(await driver_of(await session.connection()))
    await queries.enqueue(
        [job.webhook_id for job in jobs],
        payloads,
        [0] * len(jobs),
        dedupe_key=keys,
        on_conflict="skip",
    )


async def forget_lane(session: AsyncSession, webhook_id: str) -> None:
    queries = queries_on(await driver_of(await session.connection()))
    await queries.clear_queue(webhook_id)
