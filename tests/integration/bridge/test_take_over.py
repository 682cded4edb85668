"""Taking the media socket over from uvicorn: when it is done, when it is not, and what is left of it."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
import uvicorn
from litestar import Litestar, WebSocket, websocket
from litestar.testing import TestClient
from websockets.asyncio.client import connect
from websockets.client import ClientProtocol
from websockets.uri import parse_uri

from bridge.runtime.counters import Counters
from bridge.runtime.phone_leg import PhoneLeg, PhoneSocket
from bridge.web.take_over import HttpProtocol, MediaProtocol, phone_leg
from tests.integration.bridge.conftest import QuietServer


class Echo:
    """A server whose WebSocket says what it hears. `taken`: how it had the sockets."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.taken: list[bool] = []
        self.app = Litestar([self._handler()], logging_config=None, openapi_config=None)

    def _handler(self) -> Any:
        @websocket("/media")
        async def media(socket: WebSocket[Any, Any, Any]) -> None:
            await socket.accept()
            leg = phone_leg(socket, self.counters)
            self.taken.append(isinstance(leg, PhoneSocket))
            await leg.run(self._saying_it_back(leg), lambda: None)

        return media

    def _saying_it_back(self, leg: PhoneLeg) -> Any:
        def on_texts(texts: list[str]) -> None:
            for text in texts:
                leg.send(text)
            leg.flush()

        return on_texts


class Served:
    def __init__(self, app: Litestar) -> None:
        config = uvicorn.Config(
            app,
            port=0,
            log_config=None,
            lifespan="off",
            http=HttpProtocol,
            ws=MediaProtocol,
            ws_per_message_deflate=False,
        )
        self.server = QuietServer(config)

    async def __aenter__(self) -> Served:
        self._serving = asyncio.create_task(self.server.serve())
        await self.server.listening.wait()
        self.port: int = self.server.servers[0].sockets[0].getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}/media"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.should_exit = True
        async with asyncio.timeout(10):
            await self._serving


async def test_uvicorn_hands_the_socket_over_and_learns_of_its_end() -> None:
    """It waits for the connections that it counts when it stops."""
    echo = Echo()
    async with Served(echo.app) as served, connect(served.url, proxy=None, compression=None) as socket:
        for text in ("a", "b" * 70_000):
            await socket.send(text)
            assert await socket.recv() == text
        assert len(served.server.server_state.connections) == 1
    assert not served.server.server_state.connections
    assert echo.taken == [True]
    assert echo.counters.streams_over_asgi == 0


async def test_while_the_socket_lasts_nothing_of_uvicorn_or_the_route_does() -> None:
    echo = Echo()
    async with Served(echo.app) as served, connect(served.url, proxy=None, compression=None) as socket:
        await socket.send("a")
        assert await socket.recv() == "a"
        assert not served.server.server_state.tasks
        assert not [one for one in served.server.server_state.connections if isinstance(one, MediaProtocol)]


async def test_a_socket_that_the_route_has_handed_on_to_nobody_is_closed() -> None:
    @websocket("/media")
    async def media(socket: WebSocket[Any, Any, Any]) -> None:
        await socket.accept()
        phone_leg(socket, Counters())

    app = Litestar([media], logging_config=None, openapi_config=None)
    async with Served(app) as served, connect(served.url, proxy=None, compression=None) as socket:
        await socket.wait_closed()


async def test_a_route_that_breaks_leaves_no_socket_behind(caplog: pytest.LogCaptureFixture) -> None:
    @websocket("/media")
    async def media(socket: WebSocket[Any, Any, Any]) -> None:
        await socket.accept()
        phone_leg(socket, Counters())
        raise RuntimeError("a bug")

    app = Litestar([media], logging_config=None, openapi_config=None)
    async with Served(app) as served, connect(served.url, proxy=None, compression=None) as socket:
        await socket.wait_closed()
    broken = [record.exc_info[1] for record in caplog.records if record.exc_info]
    assert [str(error) for error in broken if error is not None] == []


async def test_a_stopping_server_closes_what_was_taken_over_with_1012() -> None:
    echo = Echo()
    async with Served(echo.app) as served, connect(served.url, proxy=None, compression=None) as socket:
        await socket.send("a")
        assert await socket.recv() == "a"
        served.server.should_exit = True
        await socket.wait_closed()
        assert socket.close_code == 1012


async def test_a_peer_that_spoke_before_it_was_accepted_is_served_over_asgi() -> None:
    """Its words are in uvicorn's parser, in whatever state: nothing of them may be lost."""
    echo = Echo()
    async with Served(echo.app) as served:
        client = ClientProtocol(parse_uri(served.url))
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        client.send_request(client.connect())
        writer.write(b"".join(client.data_to_send()))
        await writer.drain()
        media = cast(MediaProtocol, next(iter(await connections(served))))
        media.data_received(b"\x81\x85\x00\x00\x00\x00ear")
        media.data_received(b"ly")
        answer = await reader.readuntil(b"early")
        assert b"101 Switching" in answer
        writer.close()
        await writer.wait_closed()
    assert echo.taken == [False]
    assert echo.counters.streams_over_asgi == 1


async def connections(served: Served) -> set[Any]:
    """As soon as uvicorn has made a WebSocket of one."""
    async with asyncio.timeout(5):
        while True:
            found: set[Any] = {
                one for one in served.server.server_state.connections if isinstance(one, MediaProtocol)
            }
            if found:
                return found
            await asyncio.sleep(0)


async def test_where_there_is_no_uvicorn_the_call_runs_over_asgi() -> None:
    echo = Echo()

    def talk() -> None:
        with TestClient(echo.app) as client, client.websocket_connect("/media") as socket:
            socket.send_text("hello")
            assert socket.receive_text() == "hello"

    await asyncio.to_thread(talk)
    assert (echo.taken, echo.counters.streams_over_asgi) == ([False], 1)
