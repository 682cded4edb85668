"""What every test may ask for: a database of its own, on a real Postgres. No test sees real credentials."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import asyncpg
import pytest

from database.migrate import upgrade
from database.models import new_id
from database.session import Database
from server.embedded_postgres import EmbeddedPostgres

CREDENTIALS = sorted(
    name
    for name in os.environ
    if name.startswith(("OPENAI_", "TWILIO_"))
    or name.removesuffix("_FILE") in {"DATABASE_URL", "ADMIN_API_KEY", "SECRET_KEY"}
)
for _name in CREDENTIALS:
    del os.environ[_name]


def pytest_report_header() -> list[str]:
    return [f"credentials: {name} found in the environment and taken out of it" for name in CREDENTIALS]


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Generator[EmbeddedPostgres]:
    """One server for the session, with an empty database `postgres`."""
    directory: Path = tmp_path_factory.mktemp("postgres")
    server = EmbeddedPostgres(directory, durable=False)
    server.start()
    yield server
    server.stop()


async def run_sql(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
async def migrated_template(postgres: EmbeddedPostgres) -> str:
    """A database with all tables, to be copied."""
    await run_sql(postgres.url(), "create database migrated")
    await upgrade(postgres.url("migrated"))
    return "migrated"


@pytest.fixture
async def empty_database_url(postgres: EmbeddedPostgres) -> AsyncGenerator[str]:
    """A database without tables."""
    name = new_id("test")
    await run_sql(postgres.url(), f"create database {name}")
    yield postgres.url(name)
    await run_sql(postgres.url(), f"drop database {name} with (force)")


@pytest.fixture
async def database_url(postgres: EmbeddedPostgres, migrated_template: str) -> AsyncGenerator[str]:
    """A fresh migrated database for this test alone."""
    name = new_id("test")
    await run_sql(postgres.url(), f"create database {name} template {migrated_template}")
    yield postgres.url(name)
    await run_sql(postgres.url(), f"drop database {name} with (force)")


@pytest.fixture
async def database(database_url: str) -> AsyncGenerator[Database]:
    database = Database(database_url, pool_size=4)
    yield database
    await database.close()
