"""The pool: a connection that is gone is replaced before anybody uses it, without asking each time."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from sqlalchemy import text

from database import session as database_session
from database.session import Database, driver_of


async def pid_and_transaction(database: Database) -> tuple[int, bool]:
    """Of the connection, and whether two statements on it share a transaction."""
    async with database.session() as session:
        pid = await session.scalar(text("select pg_backend_pid()"))
        ids = [await session.scalar(text("select pg_current_xact_id()::text")) for _ in range(2)]
        return pid or 0, ids[0] == ids[1]


async def test_reading_takes_no_transaction_and_writing_takes_one(database: Database) -> None:
    """BEGIN and ROLLBACK around each question were two thirds of a call's round trips."""
    _, together = await pid_and_transaction(database)
    async with database.session.begin() as session:
        ids = [await session.scalar(text("select pg_current_xact_id()::text")) for _ in range(2)]
    assert (together, ids[0] == ids[1]) == (False, True)


async def test_a_connection_that_postgres_closed_is_replaced_unnoticed(database_url: str) -> None:
    database = Database(database_url, pool_size=1)
    try:
        before, _ = await pid_and_transaction(database)
        async with database.engine.connect() as connection:
            driver = await driver_of(connection)
        ended = asyncio.Event()
        driver.add_termination_listener(lambda _: ended.set())
        other = await asyncpg.connect(database_url)
        await other.execute("select pg_terminate_backend($1)", before)
        await other.close()
        async with asyncio.timeout(10):
            await ended.wait()
        after, _ = await pid_and_transaction(database)
        assert after != before
    finally:
        await database.close()


async def test_a_connection_that_was_idle_for_long_is_asked_first(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that forgot it says nothing: only an answer tells."""
    monkeypatch.setattr(database_session, "PING_AFTER_SECONDS", -1.0)
    database = Database(database_url, pool_size=1)
    try:
        before, _ = await pid_and_transaction(database)
        pings: list[object] = []
        asked = database.engine.dialect.do_ping

        def unanswered(connection: object) -> bool:
            pings.append(connection)
            raise database.engine.dialect.loaded_dbapi.InterfaceError("nothing is heard")

        monkeypatch.setattr(database.engine.dialect, "do_ping", unanswered)
        after, _ = await pid_and_transaction(database)
        monkeypatch.setattr(database.engine.dialect, "do_ping", asked)
        assert (len(pings), after != before) == (1, True)
        assert (await pid_and_transaction(database))[0] == after
    finally:
        await database.close()
