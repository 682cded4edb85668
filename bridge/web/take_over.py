"""The media socket is taken over from uvicorn, below ASGI: its queue, tasks and parser for each message cost
more than all the rest of a call.

On any other server the call runs over ASGI, with the same messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from litestar.connection import WebSocket
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from bridge.runtime.counters import Counters
from bridge.runtime.phone_leg import AsgiPhoneLeg, PhoneLeg, PhoneSocket
from bridge.runtime.socket_leg import SocketLeg

SERVICE_RESTART = 1012
TAKE_OVER = "callbridge.take_over"
"""In an ASGI scope's `extensions`: hands an accepted WebSocket's transport over. False: it does not."""


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's own, as `uvicorn.Config(http=HttpProtocol)`: leaves nothing for the garbage collector."""

    def handle_websocket_upgrade(self) -> None:
        super().handle_websocket_upgrade()
        # The parser holds the protocol, which holds the parser; both are done.
        del self.parser


class TakenOver:
    """What uvicorn has of a socket that is the leg's now: its place among the connections, which are closed
    when the server stops, and what it closes where the application has returned."""

    __slots__ = ("_leg",)

    def __init__(self, leg: SocketLeg) -> None:
        self._leg = leg

    def shutdown(self) -> None:
        self._leg.close(SERVICE_RESTART)

    def is_closing(self) -> bool:
        """As far as uvicorn is concerned: an application that broke has nothing more to say on it."""
        return True

    def close(self) -> None:
        """Nobody would ever close a socket that the application has not handed on."""
        if not self._leg.attached:
            self._leg.abort()


class MediaProtocol(WebSocketsSansIOProtocol):
    """uvicorn's own, as `uvicorn.Config(ws=MediaProtocol)`, with a way out of it.

    It reaches into uvicorn's protocol class: its minor version is pinned, and a test holds this to it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._reads = 0

    def data_received(self, data: bytes) -> None:
        self._reads += 1
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._close_parser()

    def _close_parser(self) -> None:
        # As above, of websockets.
        self.conn.parser.close()

    async def run_asgi(self) -> None:
        extensions = cast(dict[str, dict[str, object]], self.scope)["extensions"]
        extensions[TAKE_OVER] = self.take_over
        try:
            await super().run_asgi()
        finally:
            del extensions[TAKE_OVER]

    def take_over(self, leg: SocketLeg) -> bool:
        """From now on the socket is the leg's. uvicorn still counts the connection, and learns of its end; of
        its own objects for it, and the application's, nothing is left once the route has returned."""
        accepted = self.handshake_complete and not self.close_sent and not self.disconnected
        # The first read was the request. A peer that has said more is in the hands of uvicorn's parser.
        if not accepted or self._reads > 1 or self.transport.is_closing():
            return False
        self.stop_keepalive()
        self._close_parser()
        connections = cast(set[object], self.connections)
        taken = TakenOver(leg)
        connections.remove(self)
        connections.add(taken)
        leg.when_lost(partial(connections.discard, taken))
        self.transport.set_protocol(leg)
        leg.connection_made(self.transport)
        self.transport = cast(asyncio.Transport, taken)
        return True


def phone_leg(socket: WebSocket[Any, Any, Any], counters: Counters) -> PhoneLeg:
    """Of a socket that was accepted this moment."""
    extensions = cast(dict[str, dict[str, Any] | None], socket.scope).get("extensions") or {}
    take_over: Callable[[SocketLeg], bool] | None = extensions.get(TAKE_OVER)
    if take_over is not None:
        leg = PhoneSocket()
        if take_over(leg):
            # Litestar's wrappers of these two hold the socket, which holds them.
            socket.receive = socket.send = _not_over_asgi
            return leg
    counters.streams_over_asgi += 1
    return AsgiPhoneLeg(socket)


async def _not_over_asgi(*_: object) -> Any:
    raise RuntimeError("This socket was taken over from the web server.")
