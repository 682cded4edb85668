"""Is it alive, may it be given calls, and its figures."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from msgspec import Struct
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy.exc import SQLAlchemyError

from bridge.runtime.loop_lag import LoopLag
from database.schema import ForeignSchema, schema_state
from database.session import Database, driver_of
from server.metrics_page import PROCESS_PATH, MetricsPage

__all__ = ["ROUTES", "Health"]

DATABASE_LIMIT_S = 1.0
DATABASE_INTERVAL_S = 5.0
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")


class Readiness(Struct):
    status: str
    """`ready`, `draining` or `schema_too_old`. A process that starts does not listen yet."""
    database: str
    """`ok` or `away`."""
    lag_ms: int
    """Longest delay of the event loop within the last ten seconds."""


class Alive(Struct):
    status: str


class Health:
    """What this process knows about itself."""

    def __init__(self, database: Database, lag: LoopLag) -> None:
        self._database = database
        self._lag = lag
        self._task: asyncio.Task[None] | None = None
        self._schema_known_good = False
        self.draining = False
        self.database_away = False
        """When it was last asked."""

    def start(self) -> None:
        self._task = asyncio.create_task(self._watch_database(), name="database away")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def drain(self) -> None:
        self.draining = True

    @property
    def lag_s(self) -> float:
        return self._lag.worst_s

    async def readiness(self) -> Readiness:
        self.database_away, too_old = await self._database_trouble()
        status = "draining" if self.draining else "schema_too_old" if too_old else "ready"
        return Readiness(
            status=status,
            database="away" if self.database_away else "ok",
            lag_ms=round(self.lag_s * 1000),
        )

    async def _database_trouble(self) -> tuple[bool, bool]:
        try:
            async with asyncio.timeout(DATABASE_LIMIT_S), self._database.engine.connect() as connection:
                # A schema that was new enough once does not become older.
                if not self._schema_known_good:
                    self._schema_known_good = not (await schema_state(await driver_of(connection))).too_old
        except ForeignSchema:
            return False, True
        except (OSError, TimeoutError, SQLAlchemyError):
            return True, False
        return False, not self._schema_known_good

    async def _watch_database(self) -> None:
        while True:
            try:
                async with asyncio.timeout(DATABASE_LIMIT_S), self._database.engine.connect():
                    self.database_away = False
            except (OSError, TimeoutError, SQLAlchemyError):
                self.database_away = True
            await asyncio.sleep(DATABASE_INTERVAL_S)


@get("/healthz", operation_id="GetHealth", tags=["Health"], security=[{}])
async def healthz() -> Alive:
    """The process answers."""
    return Alive(status="alive")


@get("/readyz", operation_id="GetReadiness", tags=["Health"], security=[{}])
async def readyz(health: NamedDependency[Health]) -> Response[Readiness]:
    """200 while calls may be sent here; 503 while starting, draining, or on a schema older than needed."""
    readiness = await health.readiness()
    return Response(readiness, status_code=200 if readiness.status == "ready" else 503)


@get("/metrics", include_in_schema=False)
async def metrics(
    request: Request[Any, Any, Any], metrics_page: NamedDependency[MetricsPage]
) -> Response[bytes]:
    """Prometheus's text, for those on this machine or this private network who ask directly."""
    if not asked_from_inside(request):
        raise NotFoundException
    return Response(await metrics_page.of_all(), headers={"content-type": CONTENT_TYPE_LATEST})


@get(PROCESS_PATH, include_in_schema=False, sync_to_thread=False)
def process_metrics(
    request: Request[Any, Any, Any], metrics_page: NamedDependency[MetricsPage]
) -> Response[bytes]:
    if not asked_from_inside(request):
        raise NotFoundException
    return Response(metrics_page.of_this_process(), headers={"content-type": CONTENT_TYPE_LATEST})


def asked_from_inside(request: Request[Any, Any, Any]) -> bool:
    """A proxy's word about where a request came from is not taken: what was forwarded is from outside."""
    if any(name in request.headers for name in FORWARDED) or request.client is None:
        return False
    try:
        address = ipaddress.ip_address(request.client.host)
    except ValueError:
        return False
    here = request.scope["server"]
    return address.is_loopback or address.is_private or (here is not None and here[0] == str(address))


ROUTES = [healthz, readyz, metrics, process_metrics]
