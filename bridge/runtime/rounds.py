"""Work that is done every so often as long as the process runs, whoever else does it too."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy.exc import SQLAlchemyError

log = structlog.get_logger(__name__)


class Rounds:
    """Calls `work` at once and then every `every_s`; while Postgres is away it goes on trying."""

    def __init__(self, name: str, work: Callable[[], Awaitable[None]], *, every_s: float) -> None:
        self._name = name
        self._work = work
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        while True:
            try:
                await self._work()
            except (OSError, TimeoutError, SQLAlchemyError) as error:
                log.warning("round_waits_for_postgres", work=self._name, error=type(error).__name__)
            except Exception as error:
                log.error("round_broken", work=self._name, error=type(error).__name__)
            await asyncio.sleep(self._every_s)
