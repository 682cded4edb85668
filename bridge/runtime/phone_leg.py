"""The media socket, on its own socket or over ASGI: two ways to write, the same messages."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Protocol

from litestar.connection import WebSocket
from litestar.exceptions import WebSocketDisconnect

from bridge.runtime.agent_splice import AgentSplice
from bridge.runtime.backlog import Backlog
from bridge.runtime.caller_splice import CallerSplice
from bridge.runtime.legs import Leg, Lines, OnTexts, Overhearing, StreamLeg
from bridge.runtime.socket_leg import BEAT_SECONDS, CLOSE_SECONDS, SILENT_BEATS, SocketLeg
from bridge.wire.twilio import MEDIA_PREFIX

MAX_MESSAGE_BYTES = 1024 * 1024
"""Twilio's own messages are below 1 kB; beyond this the socket is closed with 1009."""
MAX_AUDIO_BYTES = 2 * 1024 * 1024
"""Three minutes as Twilio's JSON: the model speaks faster than anybody listens."""


class PhoneLeg(StreamLeg, Protocol):
    async def receive(self) -> str | None:
        """The next message, before `run`; None when the socket is gone."""
        ...

    async def run(self, on_texts: OnTexts, on_ended: Callable[[], None]) -> None:
        """Hand what comes to `on_texts` until the socket ends, by whichever side, and then call `on_ended`.
        Where nothing is to be waited for, this returns before."""
        ...

    async def refuse(self, code: int) -> None:
        """Close a socket that `run` was not called for."""
        ...


class PhoneSocket(SocketLeg):
    def __init__(self, *, beat_seconds: float = BEAT_SECONDS) -> None:
        super().__init__(
            client=False,
            beat_seconds=beat_seconds,
            audio_prefix=MEDIA_PREFIX,
            max_audio_bytes=MAX_AUDIO_BYTES,
            max_message_bytes=MAX_MESSAGE_BYTES,
        )
        self._model: SocketLeg | None = None
        """What it is joined to."""

    def join(self, lines: Lines, model: Leg | None, *, overhears: Overhearing | None = None) -> None:
        if self._model is not None:
            self._model.give_reads_to(None)
        self._model = model if isinstance(model, SocketLeg) else None
        if self._model is None:
            self.give_reads_to(None)
        else:
            self.give_reads_to(CallerSplice(lines.caller, self._model, overhears).take)
            self._model.give_reads_to(AgentSplice(lines.agent, self, overhears).take)

    async def run(self, on_texts: OnTexts, on_ended: Callable[[], None]) -> None:
        self.attach(on_texts)
        self.when_lost(on_ended)

    async def refuse(self, code: int) -> None:
        self.close(code)
        await self.wait_closed()


class AsgiPhoneLeg:
    """On any ASGI server: messages through `receive`, and out through one writer task.

    ASGI has no pings, but Twilio sends audio all the time: no message for three beats is the end."""

    def __init__(self, socket: WebSocket[Any, Any, Any], *, beat_seconds: float = BEAT_SECONDS) -> None:
        self._socket = socket
        self._backlog = Backlog(MEDIA_PREFIX, MAX_AUDIO_BYTES)
        self._filled = asyncio.Event()
        self._close_code: int | None = None
        self._cut_timer: asyncio.TimerHandle | None = None
        self._writer: asyncio.Task[None] | None = None
        self._ended = False
        self._beat_seconds = beat_seconds
        self._beat_timer: asyncio.TimerHandle | None = None
        self._silent_beats = 0
        self.malformed = 0
        self.silent = False

    @property
    def dropped(self) -> int:
        return self._backlog.dropped

    def send(self, text: str) -> None:
        if self._ended or self._close_code is not None:
            return
        self._backlog.add(text)
        if self._backlog.hopeless:
            self._cut()

    def flush(self) -> None:
        self._filled.set()

    def join(self, lines: Lines, model: Leg | None, *, overhears: Overhearing | None = None) -> None:
        """Nothing is gained: messages have been through the web server already."""

    def close(self, code: int = 1000) -> None:
        """What was sent before goes out first, unless Twilio does not read it."""
        if self._close_code is None and not self._ended:
            self._close_code = code
            self._filled.set()
            self._cut_timer = asyncio.get_running_loop().call_later(CLOSE_SECONDS, self._cut)

    async def receive(self) -> str | None:
        while True:
            try:
                message = await self._socket.receive()
            except (WebSocketDisconnect, OSError):
                return None
            if message["type"] == "websocket.disconnect":
                return None
            text = message.get("text") if message["type"] == "websocket.receive" else None
            if isinstance(text, str):
                return text
            self.malformed += 1

    async def run(self, on_texts: OnTexts, on_ended: Callable[[], None]) -> None:
        try:
            await self._run(on_texts)
        finally:
            on_ended()

    async def _run(self, on_texts: OnTexts) -> None:
        self._writer = writer = asyncio.create_task(self._write(), name="phone_leg_writer")
        reader = asyncio.create_task(self._read(on_texts), name="phone_leg_reader")
        self._beat()
        try:
            await asyncio.wait((writer, reader), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._ended = True
            for timer in (self._cut_timer, self._beat_timer):
                if timer is not None:
                    timer.cancel()
            for task in (writer, reader):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            self._backlog.clear()

    async def refuse(self, code: int) -> None:
        self._ended = True
        await self._close(code)

    def _cut(self) -> None:
        if self._writer is not None:
            self._writer.cancel()

    def _beat(self) -> None:
        self._silent_beats += 1
        self.silent = self._silent_beats > SILENT_BEATS
        if self.silent:
            self._cut()
        else:
            self._beat_timer = asyncio.get_running_loop().call_later(self._beat_seconds, self._beat)

    async def _read(self, on_texts: OnTexts) -> None:
        while (text := await self.receive()) is not None:
            self._silent_beats = 0
            on_texts([text])

    async def _write(self) -> None:
        """Ends when the socket is to be closed, or cannot be written to."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            while self._backlog:
                if not await self._send(self._backlog.pop()):
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
