"""The voice model's socket where it can only be reached through a proxy: websockets' own connection.

It costs more than twice as much as `ModelSocket`, and says the same."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from bridge.engines.openai_realtime.session import RealtimeSession
from bridge.runtime.backlog import Backlog
from bridge.runtime.legs import OnTexts
from bridge.runtime.socket_leg import ABNORMAL, BEAT_SECONDS, CLOSE_SECONDS, SILENT, OnClosed

BEATS_BEFORE_PING = 2
"""And as many again for its answer: a model of which nothing is heard is given up within 2 s."""


class ProxiedModelLeg:
    def __init__(
        self, connection: ClientConnection, *, max_audio_bytes: int, beat_seconds: float = BEAT_SECONDS
    ) -> None:
        self.malformed = 0
        self._connection = connection
        self._patience_s = BEATS_BEFORE_PING * beat_seconds
        self._backlog = Backlog(RealtimeSession.append_prefix, max_audio_bytes)
        self._filled = asyncio.Event()
        self._close_code: int | None = None
        self._cut_timer: asyncio.TimerHandle | None = None
        self._reader: asyncio.Task[None] | None = None
        self._writer = asyncio.create_task(self._write(), name="model_leg_writer")

    def attach(self, on_texts: OnTexts, on_closed: OnClosed | None = None) -> None:
        self._reader = asyncio.create_task(self._read(on_texts, on_closed), name="model_leg_reader")

    async def wait_closed(self) -> None:
        await self._connection.wait_closed()
        if self._cut_timer is not None:
            self._cut_timer.cancel()
        self._writer.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._writer
        if self._reader is not None:
            await self._reader

    @property
    def dropped(self) -> int:
        return self._backlog.dropped

    def send(self, text: str) -> None:
        if self._close_code is None:
            self._backlog.add(text)
            if self._backlog.hopeless:
                self.abort()

    def flush(self) -> None:
        self._filled.set()

    def close(self, code: int = 1000) -> None:
        if self._close_code is None:
            self._close_code = code
            self._filled.set()
            self._cut_timer = asyncio.get_running_loop().call_later(CLOSE_SECONDS, self.abort)

    def abort(self) -> None:
        self._connection.transport.abort()

    async def _read(self, on_texts: OnTexts, on_closed: OnClosed | None) -> None:
        end = await self._read_to_the_end(on_texts)
        if on_closed is not None and self._close_code is None:
            on_closed(*end)

    async def _read_to_the_end(self, on_texts: OnTexts) -> tuple[int, str]:
        asked: Awaitable[float] | None = None
        while True:
            try:
                async with asyncio.timeout(self._patience_s):
                    message = await self._connection.recv()
            except ConnectionClosed as closed:
                return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (ABNORMAL, "")
            except TimeoutError:
                if asked is not None and not asked.done():
                    break
                asked = await self._ping()
                if asked is None:
                    break
                continue
            asked = None
            if isinstance(message, bytes):
                self.malformed += 1
            elif self._close_code is None:
                on_texts([message])
        self.abort()
        return ABNORMAL, SILENT

    async def _ping(self) -> asyncio.Future[float] | None:
        """None: not even that can be sent."""
        with contextlib.suppress(TimeoutError, ConnectionClosed):
            async with asyncio.timeout(self._patience_s):
                return asyncio.ensure_future(await self._connection.ping())
        return None

    async def _write(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self._filled.wait()
                self._filled.clear()
                while self._backlog:
                    await self._connection.send(self._backlog.pop())
                if self._close_code is not None:
                    await self._connection.close(self._close_code)
                    return


class _Connect(connect):
    def process_redirect(self, exc: Exception) -> Exception | str:
        """The key goes to the address that it was given for, and to no other."""
        return exc


async def open_connection(
    url: str, proxy: str, authorization: str, context: ssl.SSLContext | None, *, max_message_bytes: int
) -> ClientConnection:
    """Raises what websockets and the network raise."""
    return await _Connect(
        url,
        proxy=proxy,
        ssl=context,
        additional_headers={"Authorization": authorization},
        compression=None,
        open_timeout=None,
        close_timeout=CLOSE_SECONDS,
        ping_interval=None,
        max_size=max_message_bytes,
    )
