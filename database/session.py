"""The way to Postgres: one engine a process, short sessions, and the address in each library's spelling."""

from __future__ import annotations

import time
from contextlib import AbstractAsyncContextManager
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.pool import ConnectionPoolEntry

PING_AFTER_SECONDS = 5.0
"""A connection that was not used for so long is asked whether it still is one. That Postgres has closed one
is known without asking; only a network that says nothing is found out so."""


def sqlalchemy_url(database_url: str) -> str:
    """`postgresql://…` as SQLAlchemy wants it for asyncpg; `?host=/socket/dir` passes through."""
    return make_url(database_url).set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)


async def driver_of(connection: AsyncConnection) -> Any:
    """The asyncpg connection below."""
    return (await connection.get_raw_connection()).driver_connection


class Sessions:
    """Called it gives one to read with: each statement is a transaction of its own, without the round trips
    of BEGIN and ROLLBACK. `begin` gives one that is committed at the end of its block."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._write = async_sessionmaker(engine, expire_on_commit=False)
        self._read = async_sessionmaker(
            engine.execution_options(isolation_level="AUTOCOMMIT"), expire_on_commit=False
        )

    def __call__(self) -> AsyncSession:
        return self._read()

    def begin(self) -> AbstractAsyncContextManager[AsyncSession]:
        return self._write.begin()


class Database:
    """Owns the connection pool."""

    def __init__(self, database_url: str, *, pool_size: int = 10) -> None:
        self.url = database_url
        self.engine: AsyncEngine = create_async_engine(
            sqlalchemy_url(database_url),
            pool_size=pool_size,
            max_overflow=0,  # a connection that is closed again after a burst costs more than waiting for one
            pool_timeout=5,
            pool_recycle=1800,
            pool_use_lifo=True,  # the server process that has just worked is the one that works fastest
            connect_args={"timeout": 5, "command_timeout": 10},
        )
        event.listen(self.engine.sync_engine, "checkin", _left)
        event.listen(self.engine.sync_engine, "checkout", self._taken)
        self.session = Sessions(self.engine)

    async def close(self) -> None:
        await self.engine.dispose()

    def _taken(self, connection: Any, entry: ConnectionPoolEntry, _proxy: object) -> None:
        """Raises InvalidatePoolError, upon which the pool opens another: this one is gone."""
        left: float | None = entry.info.get("left")  # None: it is new
        gone = connection.driver_connection.is_closed()
        if not gone and left is not None and time.monotonic() - left > PING_AFTER_SECONDS:
            dialect = self.engine.dialect
            try:
                dialect.do_ping(connection)
            except dialect.loaded_dbapi.Error:
                gone = True
        if gone:
            raise InvalidatePoolError


def _left(_connection: object, entry: ConnectionPoolEntry) -> None:
    entry.info["left"] = time.monotonic()
