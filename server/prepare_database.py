"""Before workers start: Postgres answers, and its schema is ours.

Through the driver alone: SQLAlchemy and Alembic take half a second to import, and are mostly not needed here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, cast

import asyncpg
import structlog

from database.schema import ForeignSchema, SchemaState, schema_state

WAIT_LIMIT_S = 60.0
"""Containers start in any order."""
RETRY_S = 0.5
WRONG = (
    asyncpg.InvalidPasswordError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    ValueError,
)
"""What waiting does not mend; a ValueError is about the address."""


class Connection(Protocol):
    """What is asked of asyncpg's, which is not fully typed."""

    async def fetchval(self, query: str) -> Any: ...
    async def close(self) -> None: ...


connect = cast("Callable[..., Awaitable[Connection]]", asyncpg.connect)  # pyright: ignore[reportUnknownMemberType] (untyped there)

log = structlog.get_logger(__name__)


class DatabaseTrouble(Exception):
    """The message says what to do."""


async def prepare_database(database_url: str, *, migrate: bool) -> None:
    """Raises DatabaseTrouble."""
    try:
        state = await _wait(database_url)
        if state.newer:
            log.warning("schema_is_newer", current=state.current, needed=state.needed)
        elif state.too_old and migrate:
            await _migrate(database_url)
        elif state.too_old:
            raise DatabaseTrouble(
                "The database's schema is older than this version's: run `callbridge migrate`."
            )
    except ForeignSchema as error:
        raise DatabaseTrouble(str(error)) from error


async def admin_key_exists(database_url: str) -> bool:
    """Whether the database holds an API key with every scope."""
    from database.api_keys import has_admin_key
    from database.session import Database

    database = Database(database_url, pool_size=1)
    try:
        async with database.session() as session:
            return await has_admin_key(session)
    finally:
        await database.close()


async def _wait(database_url: str) -> SchemaState:
    deadline = time.monotonic() + WAIT_LIMIT_S
    told = False
    while True:
        try:
            connection = await connect(database_url, timeout=5, command_timeout=5)
            try:
                return await schema_state(connection)
            finally:
                await connection.close()
        except WRONG as error:
            raise DatabaseTrouble(f"DATABASE_URL: {error}.") from error
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            if time.monotonic() > deadline:
                raise DatabaseTrouble(
                    f"Postgres cannot be reached ({type(error).__name__}): check DATABASE_URL."
                ) from error
        if not told:
            log.warning("waiting_for_postgres", limit_s=WAIT_LIMIT_S)
            told = True
        await asyncio.sleep(RETRY_S)


async def _migrate(database_url: str) -> None:
    from database.migrate import MigrationError, upgrade

    try:
        await upgrade(database_url)
    except MigrationError as error:
        raise DatabaseTrouble(str(error)) from error
