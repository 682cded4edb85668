"""Alembic's entry: on the connection that `database/migrate.py` brings, or on `DATABASE_URL`."""

from __future__ import annotations

import asyncio
import os

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from database.models import Base
from database.session import sqlalchemy_url


def is_ours(name: str | None, type_: str, _parents: object) -> bool:
    """The tables of PgQueuer are its own business."""
    return type_ != "table" or name is None or not name.startswith("pgqueuer")


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_server_default=True,
        include_name=is_ours,
    )
    with context.begin_transaction():
        context.run_migrations()


async def migrate_alone() -> None:
    engine = create_async_engine(sqlalchemy_url(os.environ["DATABASE_URL"]))
    async with engine.begin() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


brought: Connection | None = context.config.attributes.get("connection")
if brought is not None:
    migrate(brought)
else:
    asyncio.run(migrate_alone())
