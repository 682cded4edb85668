"""Whether a process is there is known from its connection to Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy import literal, select, text

from database.notifications import CALL_EVENTS, Notifications
from database.presence import BE_THERE, is_there
from database.session import Database


@asynccontextmanager
async def process(database_url: str, name: str) -> AsyncGenerator[Notifications]:
    notifications = Notifications(database_url)
    notifications.present_as = name
    await notifications.start()
    try:
        async with asyncio.timeout(10):
            await notifications.connected.wait()
        yield notifications
    finally:
        await notifications.stop()


async def there(database: Database, *names: str | None) -> list[bool]:
    async with database.session() as session:
        row = (await session.execute(select(*(is_there(literal(name)) for name in names)))).one()
        return list(row)


async def test_a_process_is_there_as_long_as_its_connection_is(database: Database, database_url: str) -> None:
    async with process(database_url, "process_a"):
        assert await there(database, "process_a", "process_b", "", None) == [True, False, False, False]
    async with asyncio.timeout(10):
        while await there(database, "process_a") != [False]:
            pass


async def test_processes_are_told_apart(database: Database, database_url: str) -> None:
    async with process(database_url, "process_a"), process(database_url, "process_b"):
        assert await there(database, "process_a", "process_b") == [True, True]


async def test_a_process_is_there_again_though_postgres_thinks_its_old_connection_alive(
    database: Database, database_url: str
) -> None:
    """Its network was away for a moment: nothing has told Postgres."""
    old = await asyncpg.connect(database_url)
    assert await old.fetchval(BE_THERE, "process_a")
    async with process(database_url, "process_a"):
        await old.close()
        assert await there(database, "process_a") == [True]


async def test_a_connection_that_is_cut_by_postgres_is_made_again(
    database: Database, database_url: str
) -> None:
    async with process(database_url, "process_a") as notifications:
        with notifications.listen(CALL_EVENTS) as news:
            async with database.session() as session:
                await session.execute(
                    text("""
                        select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'
                           and database = (select oid from pg_database where datname = current_database())
                    """)
                )
            assert await news.wait(10), "as soon as it is connected again"
        assert await there(database, "process_a") == [True]


async def test_a_process_in_another_database_of_the_same_postgres_is_another_one(
    database: Database, database_url: str, empty_database_url: str
) -> None:
    async with process(empty_database_url, "process_a"):
        assert await there(database, "process_a") == [False]
