"""Answers to requests that bore an `Idempotency-Key`, kept for 24 hours."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from database.models import IdempotencyKey
from database.session import Database

KEPT = dt.timedelta(hours=24)


async def begin(
    database: Database, *, api_key_id: str, key: str, request_sha256: str
) -> IdempotencyKey | None:
    """None: the request is the first with this key and may run. Otherwise what is known of the first one."""
    async with database.session.begin() as session:
        await session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < func.now() - KEPT))
        first = await session.scalar(
            insert(IdempotencyKey)
            .values(api_key_id=api_key_id, key=key, request_sha256=request_sha256)
            .on_conflict_do_nothing()
            .returning(IdempotencyKey.key)
        )
        if first is not None:
            return None
        return await session.scalar(
            select(IdempotencyKey).where(IdempotencyKey.api_key_id == api_key_id, IdempotencyKey.key == key)
        )


async def keep_answer(database: Database, *, api_key_id: str, key: str, status_code: int, body: str) -> None:
    async with database.session.begin() as session:
        await session.execute(
            update(IdempotencyKey)
            .where(IdempotencyKey.api_key_id == api_key_id, IdempotencyKey.key == key)
            .values(status_code=status_code, body=body)
        )


async def forget(database: Database, *, api_key_id: str, key: str) -> None:
    """The request did nothing, and may be made again."""
    async with database.session.begin() as session:
        await session.execute(
            delete(IdempotencyKey).where(IdempotencyKey.api_key_id == api_key_id, IdempotencyKey.key == key)
        )
