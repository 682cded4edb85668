"""Which migration the database is at, and which one this code needs.

Revisions are numbers, so that a process can tell a schema newer than its own, which it accepts (migrations
are additive for one release), from an older one, which it cannot work on.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"


class SchemaState(Struct, frozen=True):
    current: int
    """0: an empty database."""
    needed: int

    @property
    def too_old(self) -> bool:
        return self.current < self.needed

    @property
    def newer(self) -> bool:
        return self.current > self.needed


class ForeignSchema(Exception):
    """The database was migrated by some other program."""


@cache
def needed_revision() -> int:
    return max(int(path.name[:4]) for path in (MIGRATIONS / "versions").glob("[0-9][0-9][0-9][0-9]_*.py"))


class Asked(Protocol):
    """A connection of asyncpg's: whoever only asks this need not import SQLAlchemy."""

    async def fetchval(self, query: str) -> Any: ...


async def schema_state(connection: Asked) -> SchemaState:
    """Raises ForeignSchema."""
    exists = await connection.fetchval("select to_regclass('alembic_version') is not null")
    revision = await connection.fetchval("select version_num from alembic_version") if exists else None
    if revision is not None and not str(revision).isdecimal():
        raise ForeignSchema(
            f"The database is at migration {revision!r}, which is not Callbridge's: use another database."
        )
    return SchemaState(current=int(revision or 0), needed=needed_revision())
