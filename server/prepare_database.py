"""Before workers start: Postgres answers, its schema is ours, and somebody can get in."""

from __future__ import annotations

import asyncio
import time

import asyncpg
import structlog
from sqlalchemy.exc import SQLAlchemyError

from database.api_keys import has_admin_key
from database.schema import ForeignSchema, SchemaState, schema_state
from database.session import Database

WAIT_LIMIT_S = 60.0
"""Containers start in any order."""
RETRY_S = 0.5
WRONG = (
    asyncpg.InvalidPasswordError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)
"""What waiting does not mend."""

log = structlog.get_logger(__name__)


class DatabaseTrouble(Exception):
    """The message says what to do."""


async def prepare_database(database_url: str, *, migrate: bool) -> bool:
    """Returns whether there is an API key with every scope. Raises DatabaseTrouble."""
    database = Database(database_url, pool_size=1)
    try:
        state = await _wait(database)
        if state.too_old:
            if not migrate:
                raise DatabaseTrouble(
                    "The database's schema is older than this version's: run `callbridge migrate`."
                )
            await _migrate(database_url)
        elif state.newer:
            log.warning("schema_is_newer", current=state.current, needed=state.needed)
        async with database.session() as session:
            return await has_admin_key(session)
    except ForeignSchema as error:
        raise DatabaseTrouble(str(error)) from error
    finally:
        await database.close()


async def _wait(database: Database) -> SchemaState:
    deadline = time.monotonic() + WAIT_LIMIT_S
    told = False
    while True:
        try:
            async with database.engine.connect() as connection:
                return await schema_state(connection)
        except WRONG as error:
            raise DatabaseTrouble(f"DATABASE_URL: Postgres says: {error}.") from error
        except (OSError, TimeoutError, SQLAlchemyError, asyncpg.PostgresError) as error:
            if time.monotonic() > deadline:
                raise DatabaseTrouble(
                    f"Postgres cannot be reached ({type(error).__name__}): check DATABASE_URL."
                ) from error
        if not told:
            log.warning("waiting_for_postgres", limit_s=WAIT_LIMIT_S)
            told = True
        await asyncio.sleep(RETRY_S)


async def _migrate(database_url: str) -> None:
    # Alembic takes a quarter of a second to import, and is mostly not needed.
    from database.migrate import MigrationError, upgrade

    try:
        await upgrade(database_url)
    except MigrationError as error:
        raise DatabaseTrouble(str(error)) from error
