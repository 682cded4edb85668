"""The least that a bridge in Python does: audio both ways, spliced by hand on uvloop's sockets.

A mark behind each piece and `clear` when the caller speaks, as with the other peers. Nothing is kept, written
down, watched or limited: what the product costs above this is what its features cost.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from typing import cast

import uvloop
from websockets.client import ClientProtocol
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.speedups import apply_mask
from websockets.uri import parse_uri

SESSION = {
    "type": "realtime",
    "instructions": "You answer the phone.",
    "audio": {
        "input": {"format": {"type": "audio/pcmu"}, "turn_detection": {"type": "server_vad"}},
        "output": {"format": {"type": "audio/pcmu"}, "voice": "ash"},
    },
}
TEXT, CLOSE = 0x81, 0x88
MASKED = 0x80
NO_KEY = b"\0\0\0\0"
"""A client is to draw its keys at random; this one is spared it."""


def framed(payload: bytes, key: bytes = b"") -> bytes:
    """One text message. With `key`: a client's."""
    bit = MASKED if key else 0
    size = len(payload)
    if size < 126:
        head = bytes((TEXT, bit | size))
    elif size < 65536:
        head = bytes((TEXT, bit | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((TEXT, bit | 127)) + size.to_bytes(8, "big")
    return head + key + (apply_mask(payload, key) if key else payload)


class Messages:
    """Whole frames out of a stream of bytes; no fragments, no control frames but `close`."""

    def __init__(self) -> None:
        self.closed = False
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        data, at = self._rest + data, 0
        while len(data) - at >= 2:
            size, begin = data[at + 1] & 0x7F, at + 2
            if size > 125:
                wide = 2 if size == 126 else 8
                size, begin = int.from_bytes(data[begin : begin + wide], "big"), begin + wide
            masked = data[at + 1] & MASKED
            body = begin + 4 if masked else begin
            if len(data) < body + size:
                break
            if data[at] == CLOSE:
                self.closed = True
            elif data[at] == TEXT:
                payload = data[body : body + size]
                yield apply_mask(payload, data[begin:body]) if masked else payload
            at = body + size
        self._rest = data[at:]


class Model(asyncio.Protocol):
    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self._client: ClientProtocol | None = ClientProtocol(parse_uri(os.environ["MODEL_URL"]))
        self._messages = Messages()
        self._head = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        assert self._client is not None  # noqa: S101 (nothing was read yet)
        request = self._client.connect()
        request.headers["Authorization"] = f"Bearer {os.environ['OPENAI_API_KEY']}"
        self._client.send_request(request)
        self._transport.write(b"".join(self._client.data_to_send()))

    def data_received(self, data: bytes) -> None:
        if self._client is not None:
            self._head += data
            head, end, data = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            self._client.receive_data(head + end)
            self._client = None
            for event in (
                {"type": "session.update", "session": SESSION},
                {"type": "response.create", "response": {"instructions": "Greet the caller."}},
            ):
                self.write(framed(json.dumps(event).encode(), NO_KEY))
            self._phone.model_opened(self)
        for message in self._messages.feed(data):
            self._phone.model_said(message)
        if self._messages.closed:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._phone.close()

    def write(self, frame: bytes) -> None:
        self._transport.write(frame)

    def close(self) -> None:
        self._transport.close()


class Phone(asyncio.Protocol):
    def __init__(self) -> None:
        self._server: ServerProtocol | None = ServerProtocol()
        self._messages = Messages()
        self._model: Model | None = None
        self._waiting: list[bytes] = []
        self._marks = 0
        self._media = self._mark = self._clear = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._server is not None:
            self._upgrade(self._server, data)
            return
        for message in self._messages.feed(data):
            self._said(message)
        if self._messages.closed:
            self.close()

    def _upgrade(self, server: ServerProtocol, data: bytes) -> None:
        server.receive_data(data)
        for event in server.events_received():
            if isinstance(event, Request):
                server.send_response(server.accept(event))
                self._transport.write(b"".join(server.data_to_send()))
                self._server = None

    def _said(self, message: bytes) -> None:
        if message.startswith(b'{"event":"media"'):
            begin = message.find(b'"payload":"') + 11
            payload = message[begin : message.find(b'"', begin)]
            append = framed(b'{"type":"input_audio_buffer.append","audio":"' + payload + b'"}', NO_KEY)
            if self._model is None:
                self._waiting.append(append)
            else:
                self._model.write(append)
        elif message.startswith(b'{"event":"start"'):
            sid = json.loads(message)["start"]["streamSid"].encode()
            self._media = b'{"event":"media","streamSid":"%b","media":{"payload":"' % sid
            self._mark = b'{"event":"mark","streamSid":"%b","mark":{"name":"' % sid
            self._clear = framed(b'{"event":"clear","streamSid":"%b"}' % sid)
            self._dialling = asyncio.ensure_future(self._dial())
        elif message.startswith(b'{"event":"stop"'):
            self.close()

    async def _dial(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: Model(self), "127.0.0.1", int(os.environ["MODEL_PORT"]))

    def model_opened(self, model: Model) -> None:
        self._model = model
        for append in self._waiting:
            model.write(append)
        self._waiting.clear()

    def model_said(self, message: bytes) -> None:
        if message.startswith(b'{"type":"response.output_audio.delta"'):
            begin = message.find(b'"delta":"') + 9
            payload = message[begin : message.find(b'"', begin)]
            self._marks += 1
            mark = framed(self._mark + b'%d"}}' % self._marks)
            self._transport.write(framed(self._media + payload + b'"}}') + mark)
        elif json.loads(message)["type"] == "input_audio_buffer.speech_started":
            self._transport.write(self._clear)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._model is not None:
            self._model.close()

    def close(self) -> None:
        self._transport.close()


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Phone, "127.0.0.1", int(os.environ["PORT"]))
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
