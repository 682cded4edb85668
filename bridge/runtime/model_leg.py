"""The voice model's socket: websockets' handshake, and from then on a `SocketLeg`; where there is a proxy in
between, websockets' own connection."""

from __future__ import annotations

import asyncio
import ssl
from typing import Protocol, cast
from urllib.parse import quote

import aiofastnet
import msgspec
from msgspec import Struct
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidMessage, InvalidStatus, WebSocketException
from websockets.protocol import State
from websockets.uri import WebSocketURI, parse_uri

from bridge.engines.openai_realtime.session import RealtimeSession
from bridge.runtime import proxied_model_leg
from bridge.runtime.legs import Leg, OnTexts
from bridge.runtime.socket_leg import BEAT_SECONDS, OnClosed, SocketLeg

OPEN_SECONDS = 5.0
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
TLS_BUFFER_BYTES = 16 * 1024
"""Each way: a record, the least that aiofastnet takes. What a call once touches of more stays in memory."""
MAX_HEAD_BYTES = 64 * 1024
MAX_AUDIO_BYTES = 256 * 1024
"""Waiting for a model that does not read, some 20 s: later it could not be answered in time anyway."""

REFUSALS = frozenset({400, 401, 403, 404})
"""Answers to the upgrade that stay the same however often one asks: key, model, request."""


class ModelOptions(Struct, frozen=True, kw_only=True):
    """Where the voice model is. `base_url` as in OpenAI's clients, with `http` or `https`."""

    base_url: str
    api_key: str
    proxy: str = ""
    """`http://…` or `https://…`, where the model is only reached through it."""

    def url(self, model: str) -> str:
        return f"{self.base_url.rstrip('/').replace('http', 'ws', 1)}/realtime?model={quote(model, safe='')}"

    def __repr__(self) -> str:
        return f"ModelOptions(base_url={self.base_url!r})"


class ModelNotOpened(Exception):
    """`refused`: trying again unchanged will not help. `code` is the vendor's own, or the HTTP status."""

    def __init__(self, *, refused: bool, code: str, message: str) -> None:
        super().__init__(message)
        self.refused = refused
        self.code = code
        self.message = message


class ModelLeg(Leg, Protocol):
    """A model that falls silent is closed as lost: `on_closed(1006, "silent")`."""

    def attach(self, on_texts: OnTexts, on_closed: OnClosed | None = None) -> None:
        """From now on. What came before comes first, an end included; one of ours is not reported."""
        ...

    async def wait_closed(self) -> None: ...
    def abort(self) -> None: ...


class ModelSocket(SocketLeg):
    def __init__(self, *, beat_seconds: float = BEAT_SECONDS) -> None:
        super().__init__(
            client=True,
            beat_seconds=beat_seconds,
            audio_prefix=RealtimeSession.append_prefix,
            max_audio_bytes=MAX_AUDIO_BYTES,
            max_message_bytes=MAX_MESSAGE_BYTES,
        )


class _Handshake(asyncio.Protocol):
    """Asks for the upgrade, then hands the transport to the leg, with what the model has said already."""

    def __init__(self, uri: WebSocketURI, authorization: str, leg: SocketLeg) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._client = ClientProtocol(uri)
        self._authorization = authorization
        self._leg = leg
        self._head = bytearray()
        self._refused = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        request = self._client.connect()
        request.headers["Authorization"] = self._authorization
        self._client.send_request(request)
        self._transport.write(b"".join(self._client.data_to_send()))

    def data_received(self, data: bytes) -> None:
        # Only the head is websockets' to read: what follows in the same read are frames, or a refusal's body.
        if self._refused:
            self._client.receive_data(data)
        else:
            self._head += data
            head, end, rest = self._head.partition(b"\r\n\r\n")
            if end:
                self._head_received(bytes(head + end), bytes(rest))
            elif len(self._head) > MAX_HEAD_BYTES:
                self._fail(InvalidMessage("the head of the answer is too long"))
        if self._client.handshake_exc is not None:
            self._fail(self._client.handshake_exc)

    def _head_received(self, head: bytes, rest: bytes) -> None:
        self._client.receive_data(head)
        if self._client.state is not State.OPEN:
            self._refused = True
            if rest:
                self._client.receive_data(rest)
            return
        self._transport.set_protocol(self._leg)
        self._leg.connection_made(self._transport)
        if rest:
            self._leg.data_received(rest)
        if not self.opened.done():
            self.opened.set_result(None)

    def eof_received(self) -> None:
        self._client.receive_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(self._client.handshake_exc or exc or ConnectionResetError())

    def close(self) -> None:
        # The parser holds its protocol, which holds the parser: nobody would collect them.
        self._client.parser.close()

    def _fail(self, error: Exception) -> None:
        if not self.opened.done():
            self.opened.set_exception(error)


async def open_model_leg(options: ModelOptions, model: str, context: ssl.SSLContext | None) -> ModelLeg:
    """Raises ModelNotOpened. `attach` is to be called on what it returns."""
    try:
        async with asyncio.timeout(OPEN_SECONDS):
            return await _open(options, options.url(model), f"Bearer {options.api_key}", context)
    except InvalidStatus as error:
        status = error.response.status_code
        raise ModelNotOpened(
            refused=status in REFUSALS,
            code=_code(error.response.body) or str(status),
            message=f"The voice model answered HTTP {status}.",
        ) from error
    except (OSError, TimeoutError, WebSocketException) as error:
        raise ModelNotOpened(
            refused=False,
            code="unreachable",
            message=f"The voice model could not be reached ({type(error).__name__}).",
        ) from error


async def _open(
    options: ModelOptions, url: str, authorization: str, context: ssl.SSLContext | None
) -> ModelLeg:
    if not options.proxy:
        return await _open_socket(parse_uri(url), authorization, context)
    connection = await proxied_model_leg.open_connection(
        url, options.proxy, authorization, context, max_message_bytes=MAX_MESSAGE_BYTES
    )
    return proxied_model_leg.ProxiedModelLeg(connection, max_audio_bytes=MAX_AUDIO_BYTES)


async def _open_socket(uri: WebSocketURI, authorization: str, context: ssl.SSLContext | None) -> ModelSocket:
    """Straight to the model: a proxy that happens to be in the environment is not for telephone calls."""
    leg = ModelSocket()
    handshake = _Handshake(uri, authorization, leg)
    try:
        loop = asyncio.get_running_loop()
        if uri.secure:
            # Its TLS takes less time and memory than uvloop's; without TLS there is nothing to win.
            transport, _ = await aiofastnet.create_connection(
                loop,
                lambda: handshake,
                uri.host,
                uri.port,
                ssl=context or True,
                ssl_incoming_bio_size=TLS_BUFFER_BYTES,
                ssl_outgoing_bio_size=TLS_BUFFER_BYTES,
            )
        else:
            transport, _ = await loop.create_connection(lambda: handshake, uri.host, uri.port)
        try:
            await handshake.opened
        except BaseException:
            transport.abort()
            raise
    finally:
        handshake.close()
    return leg


class _ErrorDetail(Struct):
    code: str | None = None


class _ErrorBody(Struct):
    error: _ErrorDetail


def _code(body: bytes | bytearray | None) -> str | None:
    """OpenAI's own code. Its message stays out: it may repeat a part of the key."""
    try:
        return msgspec.json.decode(bytes(body or b""), type=_ErrorBody).error.code
    except msgspec.MsgspecError:
        return None
