"""The media socket over ASGI: what Twilio says goes to a callback, what we say through one writer task."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any

from litestar.connection import WebSocket
from litestar.exceptions import WebSocketDisconnect

MAX_BUFFERED_BYTES = 8 * 1024 * 1024
"""Ten minutes of audio as Twilio's JSON: more than that Twilio would throw away (31931)."""
CLOSE_SECONDS = 2.0
MAX_MESSAGE_CHARS = 64 * 1024
"""Twilio's own messages are below 1 kB."""


class PhoneLeg:
    def __init__(self, socket: WebSocket[Any, Any, Any]) -> None:
        self._socket = socket
        self._outbox: deque[str] = deque()
        self._outbox_bytes = 0
        self._filled = asyncio.Event()
        self._close_code: int | None = None
        self._cut_timer: asyncio.TimerHandle | None = None
        self._writer: asyncio.Task[None] | None = None
        self._ended = False
        self.malformed = 0
        """Messages no Twilio would send: binary or huge."""
        self.dropped = 0

    @property
    def buffered_bytes(self) -> int:
        return self._outbox_bytes

    def send(self, text: str) -> None:
        if self._ended or self._close_code is not None:
            return
        if self._outbox_bytes + len(text) > MAX_BUFFERED_BYTES:
            self.dropped += 1
            return
        self._outbox.append(text)
        self._outbox_bytes += len(text)
        self._filled.set()

    def close(self, code: int = 1000) -> None:
        """What was sent before goes out first, unless Twilio does not read it."""
        if self._close_code is None and not self._ended:
            self._close_code = code
            self._filled.set()
            self._cut_timer = asyncio.get_running_loop().call_later(CLOSE_SECONDS, self._cut)

    async def receive(self) -> str | None:
        """The next text message; None when the socket is gone."""
        while True:
            try:
                message = await self._socket.receive()
            except (WebSocketDisconnect, OSError):
                return None
            if message["type"] == "websocket.disconnect":
                return None
            text = message.get("text") if message["type"] == "websocket.receive" else None
            if isinstance(text, str) and len(text) <= MAX_MESSAGE_CHARS:
                return text
            self.malformed += 1

    async def run(self, on_text: Callable[[str], None]) -> None:
        """Hand each message to `on_text` until the socket ends, by whichever side."""
        self._writer = writer = asyncio.create_task(self._write(), name="phone_leg_writer")
        reader = asyncio.create_task(self._read(on_text), name="phone_leg_reader")
        try:
            await asyncio.wait((writer, reader), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._ended = True
            if self._cut_timer is not None:
                self._cut_timer.cancel()
            for task in (writer, reader):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            self._outbox.clear()
            self._outbox_bytes = 0

    async def refuse(self, code: int = 1008) -> None:
        """Close a socket that `run` was not called for."""
        self._ended = True
        await self._close(code)

    def _cut(self) -> None:
        if self._writer is not None:
            self._writer.cancel()

    async def _read(self, on_text: Callable[[str], None]) -> None:
        while (text := await self.receive()) is not None:
            on_text(text)

    async def _write(self) -> None:
        """Ends when the socket is to be closed, or cannot be written to."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            while self._outbox:
                text = self._outbox.popleft()
                self._outbox_bytes -= len(text)
                if not await self._send(text):
                    return
            if self._close_code is not None:
                await self._close(self._close_code)
                return

    async def _send(self, text: str) -> bool:
        try:
            await self._socket.send({"type": "websocket.send", "bytes": None, "text": text})
        except (WebSocketDisconnect, OSError, RuntimeError):
            # RuntimeError: uvicorn's word for a socket that was closed under us.
            return False
        return True

    async def _close(self, code: int) -> None:
        with contextlib.suppress(WebSocketDisconnect, OSError, RuntimeError):
            await self._socket.send({"type": "websocket.close", "code": code, "reason": ""})
