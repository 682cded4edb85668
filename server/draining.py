"""`callbridge drain`, as one process sees it: proxies are told first, then no new call is taken, none is cut.

Unlike SIGTERM it can be taken back, and ends nothing.
"""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import Controller, Request, delete, get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from msgspec import Struct

from api.auth import needs
from bridge.runtime.live_calls import LiveCalls
from server.health import Health, asked_from_inside

LEAVING_SECONDS = 3.0
"""For proxies that look at /readyz every second: calls that they send until they notice are answered."""


class DrainState(Struct, frozen=True):
    draining: bool
    taking_calls: bool
    """Still, for a moment, while it drains."""
    live_calls: int
    ended: int
    """Since the drain began."""
    moved: int
    """To other processes, since then."""


class Draining:
    def __init__(
        self, health: Health, live_calls: LiveCalls, leaving_seconds: float = LEAVING_SECONDS
    ) -> None:
        self._health = health
        self._live_calls = live_calls
        self._leaving_seconds = leaving_seconds
        self._leaving: asyncio.TimerHandle | None = None
        self._ended_before = 0
        self._moved_before = 0

    def begin(self) -> None:
        """Again: goes on."""
        if self._health.draining:
            return
        self._health.draining = True
        self._ended_before, self._moved_before = self._counted()
        loop = asyncio.get_running_loop()
        self._leaving = loop.call_later(self._leaving_seconds, self._live_calls.take_calls, False)

    def cancel(self) -> None:
        """Take calls again. A process that was told to end does not."""
        if self._live_calls.draining:
            return
        if self._leaving is not None:
            self._leaving.cancel()
        self._live_calls.take_calls(True)
        self._health.draining = False

    def state(self) -> DrainState:
        ended, moved = self._counted()
        return DrainState(
            draining=self._health.draining,
            taking_calls=not (self._live_calls.closed or self._live_calls.draining),
            live_calls=self._live_calls.count,
            ended=ended - self._ended_before,
            moved=moved - self._moved_before,
        )

    def _counted(self) -> tuple[int, int]:
        return self._live_calls.measured.ended_in_all, self._live_calls.counters.calls_moved


class DrainController(Controller):
    """Of the one process that is asked; whoever knows its port, and bears a key, is let in."""

    path = "/drain"
    include_in_schema = False
    guards = [needs("admin")]  # noqa: RUF012 (Litestar's own way to say it)

    @get()
    async def look(self, request: Request[Any, Any, Any], draining: NamedDependency[Draining]) -> DrainState:
        _from_inside(request)
        return draining.state()

    @post(status_code=200)
    async def begin(self, request: Request[Any, Any, Any], draining: NamedDependency[Draining]) -> DrainState:
        _from_inside(request)
        draining.begin()
        return draining.state()

    @delete(status_code=200)
    async def cancel(
        self, request: Request[Any, Any, Any], draining: NamedDependency[Draining]
    ) -> DrainState:
        _from_inside(request)
        draining.cancel()
        return draining.state()


def _from_inside(request: Request[Any, Any, Any]) -> None:
    """Through a proxy it would be anybody's guess which process is asked."""
    if not asked_from_inside(request):
        raise NotFoundException
