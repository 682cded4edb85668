"""Which processes are there: each holds an advisory lock, named after its holder name, on the connection on
which it LISTENs.

When a process is killed the kernel closes its connection, and Postgres frees the lock at once. When its
machine vanishes nothing is closed; Postgres finds out by itself, within about 5 s, as the connection asks it
to (`SESSION`; over a unix socket this does nothing).

The lock is a shared one: a process that connects again has it at once, though Postgres may think its old
connection alive. Others read `pg_locks` and take no lock to find out: an attempt to take it would, for a
moment, look like a process that is there.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    SQLColumnExpression,
    any_,
    false,
    func,
    literal_column,
)

_SEED = 7_020_193
"""A lock's name is 64 bits that look like chance: no other advisory lock in the database has one like it."""

SESSION = """
    set tcp_keepalives_idle = 2; set tcp_keepalives_interval = 1; set tcp_keepalives_count = 3;
    set tcp_user_timeout = 5000
"""
"""https://www.postgresql.org/docs/current/runtime-config-connection.html#GUC-TCP-KEEPALIVES-IDLE"""

BE_THERE = f"select pg_try_advisory_lock_shared(hashtextextended($1, {_SEED}))"
"""As long as the connection lasts. Does not wait; false: try again."""

_LOCKED: ColumnElement[Any] = literal_column(
    """array(select (classid::bigint << 32) | objid::bigint from pg_locks
             where locktype = 'advisory' and objsubid = 1 and granted
               and database = (select oid from pg_database where datname = current_database()))""",
    ARRAY(BigInteger()),
)
"""A subquery that Postgres works out once for a statement, and not at all where no row asks for it."""


def is_there(holder: SQLColumnExpression[str | None]) -> ColumnElement[bool]:
    """Whether the process of that name (`database.calls.Holder.name`) is there, for one or for many rows."""
    key = func.hashtextextended(holder, literal_column(str(_SEED)))
    return func.coalesce(key == any_(_LOCKED), false())
