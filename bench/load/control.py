"""A bridge inside the load process: what is left of a latency when the bridge costs nothing."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable

from picows import (
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    ws_connect,  # pyright: ignore[reportUnknownVariableType] (picows leaves what it passes on to asyncio untyped)
    ws_create_server,  # pyright: ignore[reportUnknownVariableType] (as above)
)

APPEND = b'{"type":"input_audio_buffer.append","audio":"'
DELTA = b'{"type":"response.output_audio.delta"'
GREET = (
    b'{"type":"session.update","session":{"type":"realtime"}}',
    b'{"type":"response.create","response":{}}',
)


def _value(message: bytes, key: bytes) -> bytes:
    start = message.find(key) + len(key)
    return message[start : message.find(b'"', start)]


class _Model(WSListener):
    def __init__(self, phone: _Phone) -> None:
        super().__init__()
        self._phone = phone

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.TEXT:
            self._phone.from_model(frame.get_payload_as_bytes())

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._phone.transport.disconnect()


class _Phone(WSListener):
    def __init__(self, url: str, context: ssl.SSLContext | None, tasks: set[asyncio.Task[None]]) -> None:
        super().__init__()
        self._url, self._context, self._tasks = url, context, tasks
        self._model: WSTransport | None = None
        self._early: list[bytes] = []
        self._sid = b""
        self._marks = 0

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is not WSMsgType.TEXT:
            if frame.msg_type is WSMsgType.CLOSE:
                transport.disconnect()
            return
        message = frame.get_payload_as_bytes()
        if message.startswith(b'{"event":"media"'):
            append = APPEND + _value(message, b'"payload":"') + b'"}'
            if self._model is None:
                self._early.append(append)
            else:
                self._model.send(WSMsgType.TEXT, append)
        elif message.startswith(b'{"event":"start"'):
            self._sid = _value(message, b'"streamSid":"')
            task = asyncio.create_task(self._dial())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if self._model is not None:
            self._model.disconnect()

    async def _dial(self) -> None:
        model, _ = await ws_connect(
            lambda: _Model(self),
            self._url,
            ssl_context=self._context,
            read_buffer_init_size=4096,
            websocket_handshake_timeout=30,
        )
        self._model = model
        self._to(model, (*GREET, *self._early))
        self._early.clear()
        if self.transport.is_disconnected:
            model.disconnect()

    def from_model(self, message: bytes) -> None:
        if message.startswith(DELTA):
            self._marks += 1
            media = (
                b'{"event":"media","streamSid":"%b","media":{"payload":"%b"}}',
                b'{"event":"mark","streamSid":"%b","mark":{"name":"%d"}}',
            )
            payload = _value(message, b'"delta":"')
            self._to(self.transport, (media[0] % (self._sid, payload), media[1] % (self._sid, self._marks)))
        elif message.find(b"speech_started", 0, 60) >= 0:
            self._to(self.transport, (b'{"event":"clear","streamSid":"%b"}' % self._sid,))

    def _to(self, socket: WSTransport, messages: Iterable[bytes]) -> None:
        for message in messages:
            socket.send(WSMsgType.TEXT, message)


async def listen(model_url: str, context: ssl.SSLContext | None) -> str:
    """Returns the address at which phones reach it."""
    tasks: set[asyncio.Task[None]] = set()

    def answer(_request: WSUpgradeRequest) -> WSListener:
        return _Phone(model_url, context, tasks)

    server = await ws_create_server(answer, "127.0.0.1", 0, read_buffer_init_size=4096)
    return f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
