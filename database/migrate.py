"""Brings a database to this code's schema: safe in several processes at once, and beside running ones."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from database.schema import MIGRATIONS, SchemaState, schema_state
from database.session import driver_of, sqlalchemy_url

ADVISORY_LOCK = 0x63616C6C
TURN_LIMIT_S = 120.0
"""How long to wait while another process migrates."""
LOCK_TIMEOUT_S = 3
"""A migration that waits for a table holds up everybody behind it, so it gives way and tries again."""
LOCK_ATTEMPTS = 10
LOCK_NOT_AVAILABLE = "55P03"


class MigrationError(Exception):
    """The schema could not be changed; nothing was."""


async def upgrade(database_url: str, revision: str = "head") -> SchemaState:
    """Returns where the schema stands now. One that is newer than this code's is left as it is."""
    return await _migrate(database_url, command.upgrade, revision)


async def downgrade(database_url: str, revision: str) -> SchemaState:
    """`revision` is what remains: `base` for nothing."""
    return await _migrate(database_url, command.downgrade, revision)


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


async def _migrate(database_url: str, change: Callable[[Config, str], None], revision: str) -> SchemaState:
    engine = create_async_engine(
        sqlalchemy_url(database_url), poolclass=NullPool, connect_args={"timeout": 10}
    )
    try:
        async with _turn(engine):
            async with engine.connect() as connection:
                state = await schema_state(await driver_of(connection))
            if not state.newer:
                await _attempt(engine, change, revision)
            async with engine.connect() as connection:
                return await schema_state(await driver_of(connection))
    finally:
        await engine.dispose()


@asynccontextmanager
async def _turn(engine: AsyncEngine) -> AsyncGenerator[None]:
    """One at a time. Polled, since `create index concurrently` would wait for a statement that waits."""
    deadline = time.monotonic() + TURN_LIMIT_S
    async with engine.connect() as plain:
        connection = await plain.execution_options(isolation_level="AUTOCOMMIT")
        while not await connection.scalar(text(f"select pg_try_advisory_lock({ADVISORY_LOCK})")):
            if time.monotonic() > deadline:
                raise MigrationError(
                    f"Another process has been migrating this database for {TURN_LIMIT_S:.0f} s."
                )
            await asyncio.sleep(0.1)
        try:
            yield
        finally:
            await connection.execute(text(f"select pg_advisory_unlock({ADVISORY_LOCK})"))


async def _attempt(engine: AsyncEngine, change: Callable[[Config, str], None], revision: str) -> None:
    def run(connection: Connection) -> None:
        config = alembic_config()
        config.attributes["connection"] = connection
        change(config, revision)

    for attempt in range(1, LOCK_ATTEMPTS + 1):
        try:
            async with engine.begin() as connection:
                await connection.execute(text(f"set local lock_timeout = '{LOCK_TIMEOUT_S}s'"))
                await connection.run_sync(run)
                return
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                raise
            if attempt == LOCK_ATTEMPTS:
                raise MigrationError(
                    f"A table stayed locked through {LOCK_ATTEMPTS} attempts: look for long transactions "
                    "in pg_stat_activity."
                ) from error
            await asyncio.sleep(attempt * 0.2)
