"""One WebSocket of a pretend vendor, and the network below it, which fails when it is asked to.

Used on both legs: for Twilio's end of a media stream and for OpenAI's end of a session.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Coroutine
from typing import Literal, get_args

import aiohttp
from aiohttp import WSMsgType, web

SocketFault = Literal["close", "cut", "reset", "black_hole", "slow_reader", "garbage", "broken_frame"]
"""What may happen to a socket.

`close`: a close frame. `cut`: the connection ends without one. `reset`: the same, by a TCP RST. `black_hole`:
bytes are accepted and lost, nothing comes back, no pong either. `slow_reader`: nothing is read for a while.
`garbage`: messages that mean nothing, in good frames. `broken_frame`: bytes that are no WebSocket frame.
"""
SOCKET_FAULTS: tuple[SocketFault, ...] = get_args(SocketFault)

GARBAGE = ("", "{", "[]", "null", '{"event":7}', '{"type":7}', '{"event":"new"}', '{"type":"new"}', "\x00")
_BROKEN_FRAME = b"\xff\xff\xff\xff not a frame"
"""Reserved bits are set: https://www.rfc-editor.org/rfc/rfc6455#section-5.2"""
_ABORT = struct.pack("ii", 1, 0)
"""SO_LINGER of no time: closing sends RST."""
_OVER = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)

Socket = aiohttp.ClientWebSocketResponse | web.WebSocketResponse


class MediaWebSocket(aiohttp.ClientWebSocketResponse):
    """A client's socket that gives its transport away: faults need it."""

    @property
    def transport(self) -> asyncio.Transport | None:
        return self._writer.transport


class Wire:
    """The socket must have been opened with `autoping=False, autoclose=False`: a dead one answers nothing."""

    def __init__(self, socket_: Socket, transport: asyncio.Transport | None) -> None:
        self._socket = socket_
        self._transport = transport
        self._reading = asyncio.Event()
        self._reading.set()
        self._aborted = asyncio.Event()
        self._errands: set[asyncio.Task[None]] = set()
        self._timers: list[asyncio.TimerHandle] = []
        self.dead = False
        """A black hole: both ends believe that it lives."""
        self.close_code: int | None = None
        """Of the close frame that we sent."""

    @property
    def peer_close_code(self) -> int | None:
        return self._socket.close_code

    async def receive(self) -> str | bytes | None:
        """The next message; None: the socket is over."""
        while not self._aborted.is_set():
            await self._reading.wait()
            message = await self._socket.receive()
            await self._reading.wait()
            if message.type in _OVER:
                if self.dead:
                    await self._aborted.wait()
                return None
            if self.dead:
                continue
            if message.type is WSMsgType.PING:
                with contextlib.suppress(ConnectionError, aiohttp.ClientError):
                    await self._socket.pong(message.data)
            elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                return message.data
        return None

    async def send(self, text: str) -> None:
        """Lost when the network is; the reader is told what became of the socket."""
        if not self.dead:
            with contextlib.suppress(ConnectionError, aiohttp.ClientError):
                await self._socket.send_str(text)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """With a close frame, as far as the network carries it."""
        if self.dead:
            self.reset()
            return
        self.close_code = code
        self._reading.set()
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):
            await self._socket.close(code=code, message=reason.encode())

    def cut(self) -> None:
        """The connection ends without a close frame."""
        self._aborted.set()
        self._reading.set()
        if self._transport is not None:
            self._transport.close()

    def reset(self) -> None:
        """The connection ends by RST; what is still on its way is lost."""
        self._aborted.set()
        self._reading.set()
        if self._transport is None:
            return
        connection: socket.socket | None = self._transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            if connection is not None:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        self._transport.abort()

    def fail(self, fault: SocketFault, *, seconds: float | None = None, code: int = 1011) -> None:
        """`seconds`: how long a black hole (ended by RST) or a slow reader lasts. `code`: of `close`."""
        loop = asyncio.get_running_loop()
        match fault:
            case "close":
                self._errand(self.close(code, "the simulator was asked to"))
            case "cut":
                self.cut()
            case "reset":
                self.reset()
            case "black_hole":
                self.dead = True
                if seconds is not None:
                    self._timers.append(loop.call_later(seconds, self.reset))
            case "slow_reader":
                self._reading.clear()
                if seconds is not None:
                    self._timers.append(loop.call_later(seconds, self._reading.set))
            case "garbage":
                self._errand(self._send_garbage())
            case "broken_frame":
                if self._transport is not None:
                    self._transport.write(_BROKEN_FRAME)

    def end(self) -> None:
        """Nobody reads or writes any more."""
        self._aborted.set()
        for timer in self._timers:
            timer.cancel()
        for errand in self._errands:
            errand.cancel()

    async def _send_garbage(self) -> None:
        for text in GARBAGE:
            await self.send(text)

    def _errand(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)
