"""What Twilio does on a trial call, told by whichever process it happens to, to the one that asked for it.

By NOTIFY alone: a report that nobody waits for is worth nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator
from typing import Any

from msgspec import Struct, convert
from sqlalchemy import func, select

from database.notifications import connect
from database.session import Database

CHANNEL = "trial_call"
REPORT_SECONDS = 3.0


class Report(Struct, frozen=True, kw_only=True):
    run: str
    """Of which trial."""
    step: str
    what: str
    at: float
    """Seconds since 1970, by the clock of the process it happened to."""
    data: dict[str, Any]


async def report(database: Database, run: str, step: str, what: str, **data: Any) -> None:
    """Raises what Postgres does."""
    told = {"run": run, "step": step, "what": what, "at": time.time(), "data": data}
    async with asyncio.timeout(REPORT_SECONDS), database.session.begin() as session:
        await session.execute(select(func.pg_notify(CHANNEL, json.dumps(told))))


@contextlib.asynccontextmanager
async def reports_of(database_url: str, run: str) -> AsyncGenerator[asyncio.Queue[Report]]:
    """Listens while the context lasts. Raises what asyncpg does when Postgres is not there."""
    heard: asyncio.Queue[Report] = asyncio.Queue()

    def take(_connection: object, _pid: int, _channel: str, payload: object) -> None:
        one = convert(json.loads(str(payload)), Report)
        if one.run == run:
            heard.put_nowait(one)

    connection = await connect(database_url, timeout=5, command_timeout=5)
    try:
        await connection.add_listener(CHANNEL, take)
        yield heard
    finally:
        connection.terminate()
