"""What Postgres announces: one connection a process that LISTENs, and wakes those who wait here. That it is
up tells others that the process is there (`database/presence.py`).

An announcement is only ever a reason to look sooner: whoever waits also looks each second by itself, so that
one which was lost while the connection was down delays and loses nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Generator, Iterable
from typing import Protocol, cast

import asyncpg
import structlog

from database.presence import BE_THERE, SESSION

CALL_EVENTS = "call_events"
"""Payload: ids of calls, with commas between. Events of them were written."""
CALL_COMMANDS = "call_commands"
"""Payload: a call's id. Somebody wants something done on it."""
COMMANDS_ACKNOWLEDGED = "call_commands_acknowledged"
"""Payload: a command's id."""
WEBHOOKS = "webhooks"
"""Payload: a webhook's id. It was made or deleted."""

KEYS_IN_ONE = 150
"""Of 37 characters each; https://www.postgresql.org/docs/current/sql-notify.html allows 8000 bytes."""

ANY = "*"
"""As a key: every announcement of the channel."""

RECONNECT_SECONDS = 1.0
CHECK_SECONDS = 2.0
"""Postgres gives a silent connection up after 5 s, and so do we: nobody sees without it that we are there."""


def joined(keys: Iterable[str]) -> list[str]:
    """As payloads, of which each wakes everybody who listens: few are better than many."""
    all_of_them = list(keys)
    return [",".join(all_of_them[at : at + KEYS_IN_ONE]) for at in range(0, len(all_of_them), KEYS_IN_ONE)]


class Connection(Protocol):
    """What we use of asyncpg's, which is not fully typed."""

    def add_termination_listener(self, callback: Callable[[object], None]) -> None: ...
    async def add_listener(
        self, channel: str, callback: Callable[[object, int, str, object], None]
    ) -> None: ...
    async def execute(self, query: str) -> str: ...
    async def fetchval(self, query: str, *args: object) -> object: ...
    def terminate(self) -> None: ...


connect = cast(
    "Callable[..., Awaitable[Connection]]",
    asyncpg.connect,  # pyright: ignore[reportUnknownMemberType] (untyped there)
)

log = structlog.get_logger(__name__)


class News:
    """Set when something was announced since the last `wait`."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._about: set[str] = set()

    def announce(self, about: str = ANY) -> None:
        self._about.add(about)
        self._event.set()

    def concerns(self, keys: Iterable[str]) -> bool:
        """Whether any of these, or possibly any at all, was announced since this was asked last."""
        about, self._about = self._about, set()
        return ANY in about or not about.isdisjoint(keys)

    async def wait(self, timeout_s: float = 1.0) -> bool:
        """Returns whether something was announced; after the time look anyway."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True


class Notifications:
    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._listeners: defaultdict[tuple[str, str], set[News]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None
        self.connected = asyncio.Event()
        self.stopping = False
        self.present_as = ""
        """The name under which others see that this process is there; set before `start`."""

    async def start(self) -> None:
        """Returns at once; Postgres may come later."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="notifications")

    def release(self) -> None:
        """The process is stopping: whoever waits here for long is to leave, and goes on at another one."""
        self.stopping = True
        self._wake_everybody()

    async def stop(self) -> None:
        if self._task is None:
            return
        while not self._task.done():
            # asyncpg may take a cancellation for its own command's, and go on.
            self._task.cancel()
            await asyncio.wait([self._task], timeout=1.0)
        self._task = None

    @contextlib.contextmanager
    def listen(self, channel: str, key: str = ANY) -> Generator[News]:
        """Listen before you look: what is announced from here on wakes `News.wait`."""
        news = News()
        self._listeners[channel, key].add(news)
        try:
            yield news
        finally:
            listeners = self._listeners[channel, key]
            listeners.discard(news)
            if not listeners:
                del self._listeners[channel, key]

    async def _run(self) -> None:
        while True:
            try:
                await self._listen_until_lost()
            except (
                OSError,
                TimeoutError,
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
                asyncpg.InternalClientError,  # after a command that it had to give up
            ) as error:
                log.warning("notifications_away", error=type(error).__name__)
            self.connected.clear()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen_until_lost(self) -> None:
        lost = asyncio.Event()
        connection = await connect(self._database_url, timeout=5, command_timeout=5)
        try:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.execute(SESSION)
            there = await self._is_there(connection)
            for channel in (CALL_EVENTS, CALL_COMMANDS, COMMANDS_ACKNOWLEDGED, WEBHOOKS):
                await connection.add_listener(channel, self._heard)
            self.connected.set()
            self._wake_everybody()
            while not lost.is_set():
                try:
                    async with asyncio.timeout(CHECK_SECONDS):
                        await lost.wait()
                except TimeoutError:
                    await connection.execute("select 1")
                    there = there or await self._is_there(connection)
        finally:
            connection.terminate()

    async def _is_there(self, connection: Connection) -> bool:
        return not self.present_as or bool(await connection.fetchval(BE_THERE, self.present_as))

    def _heard(self, _connection: object, _pid: int, channel: str, payload: object) -> None:
        keys = str(payload).split(",")
        for key in keys:
            for news in self._listeners.get((channel, key), ()):
                news.announce(key)
        for news in self._listeners.get((channel, ANY), ()):
            for key in keys:
                news.announce(key)

    def _wake_everybody(self) -> None:
        for listeners in self._listeners.values():
            for news in listeners:
                news.announce()
