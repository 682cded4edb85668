"""The voice model's socket: websockets' client, with its messages handed over where they are parsed."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State

OPEN_SECONDS = 5.0
CLOSE_SECONDS = 2.0
PING_SECONDS = 20.0
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
MAX_BUFFERED_BYTES = 4 * 1024 * 1024
"""A model that has not read this much (minutes of audio) is gone."""

REFUSALS = frozenset({400, 401, 403, 404})
"""Answers to the upgrade that stay the same however often one asks: key, model, request."""


class ModelOptions(Struct, frozen=True, kw_only=True):
    """Where the voice model is. `base_url` as in OpenAI's clients, with `http` or `https`."""

    base_url: str
    api_key: str

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


class ModelLeg(ClientConnection):
    """Messages go to the callback from within `data_received`: no queue, no task, no await for each."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._on_text: Callable[[str], None] | None = None
        self._on_closed: Callable[[int, str], None] | None = None
        self._early: list[str] = []
        self._parts: list[bytes] = []
        self._parts_are_text = False
        self._abort_timer: asyncio.TimerHandle | None = None
        self.malformed = 0
        """Messages no voice model would send: binary, or not UTF-8."""
        self.dropped = 0

    def attach(self, on_text: Callable[[str], None], on_closed: Callable[[int, str], None]) -> None:
        """From now on. What came since the socket opened comes first, an end included."""
        if self._abort_timer is not None:
            return
        self._on_text, self._on_closed = on_text, on_closed
        early, self._early = self._early, []
        for text in early:
            on_text(text)
        if self.state is State.CLOSED:
            self._tell_closed()

    @property
    def buffered_bytes(self) -> int:
        return self.transport.get_write_buffer_size()

    # A leg's `send` and `close` are synchronous; those of websockets, which wait, are not used on it.
    def send(self, text: str) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        if self.state is not State.OPEN:
            self.dropped += 1
            return
        self.protocol.send_text(text.encode())
        self.send_data()
        if self.buffered_bytes > MAX_BUFFERED_BYTES:
            self.transport.abort()

    def close(self, code: int = 1000) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """No end is reported for it."""
        self._on_text = self._on_closed = None
        if self.state is State.OPEN:
            self.protocol.send_close(code)
            self.send_data()
        if self.state is not State.CLOSED and self._abort_timer is None:
            self._abort_timer = self.loop.call_later(CLOSE_SECONDS, self.transport.abort)

    async def wait_closed(self) -> None:
        await asyncio.shield(self.connection_lost_waiter)

    def process_event(self, event: Any) -> None:
        if isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self._take(event)
        elif isinstance(event, (Frame, Response)):
            super().process_event(event)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._abort_timer is not None:
            self._abort_timer.cancel()
        self._tell_closed()

    def _take(self, frame: Frame) -> None:
        if frame.opcode is not Opcode.CONT:
            self._parts = []
            self._parts_are_text = frame.opcode is Opcode.TEXT
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            return
        parts, self._parts = self._parts, []
        try:
            text = b"".join(parts).decode() if self._parts_are_text else None
        except UnicodeDecodeError:
            text = None
        if text is None:
            self.malformed += 1
        elif self._on_text is not None:
            self._on_text(text)
        elif self._abort_timer is None:
            self._early.append(text)

    def _tell_closed(self) -> None:
        on_closed, self._on_closed, self._on_text = self._on_closed, None, None
        if on_closed is not None:
            on_closed(self.close_code or 1006, self.close_reason or "")


async def open_model_leg(options: ModelOptions, model: str, context: ssl.SSLContext | None) -> ModelLeg:
    """Raises ModelNotOpened. `attach` is to be called on what it returns."""
    url = options.url(model)
    try:
        leg = await connect(
            url,
            additional_headers={"Authorization": f"Bearer {options.api_key}"},
            ssl=context if url.startswith("wss:") else None,
            create_connection=ModelLeg,
            compression=None,
            proxy=None,
            open_timeout=OPEN_SECONDS,
            close_timeout=CLOSE_SECONDS,
            ping_interval=PING_SECONDS,
            ping_timeout=PING_SECONDS,
            max_size=MAX_MESSAGE_BYTES,
        )
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
    assert isinstance(leg, ModelLeg)  # noqa: S101 (create_connection says so)
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
