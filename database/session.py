"""The way to Postgres: one engine a process, short sessions, and the address in each library's spelling."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)


def sqlalchemy_url(database_url: str) -> str:
    """`postgresql://…` as SQLAlchemy wants it for asyncpg; `?host=/socket/dir` passes through."""
    return make_url(database_url).set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)


async def driver_of(connection: AsyncConnection) -> Any:
    """The asyncpg connection below."""
    return (await connection.get_raw_connection()).driver_connection


class Database:
    """Owns the connection pool. `async with database.session() as session` is one transaction's place."""

    def __init__(self, database_url: str, *, pool_size: int = 10) -> None:
        self.url = database_url
        self.engine: AsyncEngine = create_async_engine(
            sqlalchemy_url(database_url),
            pool_size=pool_size,
            max_overflow=0,  # a connection that is closed again after a burst costs more than waiting for one
            pool_timeout=5,
            pool_pre_ping=True,
            pool_recycle=1800,
            connect_args={"timeout": 5, "command_timeout": 10},
        )
        self.session: async_sessionmaker[AsyncSession] = async_sessionmaker(
            self.engine, expire_on_commit=False
        )

    async def close(self) -> None:
        await self.engine.dispose()
