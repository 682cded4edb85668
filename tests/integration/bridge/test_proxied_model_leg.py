"""The model behind a proxy: the same words, ends and silences as on a socket of our own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from http import HTTPStatus

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from bridge.runtime.model_leg import ModelLeg, ModelNotOpened, ModelOptions, open_model_leg
from bridge.runtime.proxied_model_leg import ProxiedModelLeg, open_connection
from tests.connect_proxy import ConnectProxy

APPEND = '{"type":"input_audio_buffer.append","audio":"'


class Model:
    """Keeps what it hears, and sends what a test says."""

    def __init__(self) -> None:
        self.heard: list[str | bytes] = []
        self.keys: list[str | None] = []
        self.codes: list[int | None] = []
        self.connections: asyncio.Queue[ServerConnection] = asyncio.Queue()
        self.changed = asyncio.Event()

    async def talk(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.keys.append(connection.request.headers.get("Authorization"))
        self.connections.put_nowait(connection)
        try:
            async for message in connection:
                self.heard.append(message)
                self.changed.set()
        except ConnectionClosed:
            pass
        self.codes.append(connection.close_code)
        self.changed.set()

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not true():
                self.changed.clear()
                await self.changed.wait()


class Told:
    """What a call would be."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.closed: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()
        self.changed = asyncio.Event()

    def on_texts(self, texts: list[str]) -> None:
        self.texts += texts
        self.changed.set()

    def on_closed(self, code: int, reason: str) -> None:
        self.closed.set_result((code, reason))


def refusing(_connection: ServerConnection, request: Request) -> Response | None:
    if "refused" in request.path:
        return _connection.respond(HTTPStatus.UNAUTHORIZED, '{"error":{"code":"invalid_api_key"}}')
    if "moved" in request.path:
        answer = _connection.respond(HTTPStatus.FOUND, "")
        answer.headers["Location"] = "ws://127.0.0.1:1/elsewhere"
        return answer
    return None


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
async def server(model: Model) -> AsyncGenerator[Server]:
    async with serve(model.talk, "127.0.0.1", 0, process_request=refusing, ping_interval=None) as server:
        yield server


@pytest.fixture
async def proxy() -> AsyncGenerator[ConnectProxy]:
    async with ConnectProxy() as proxy:
        yield proxy


@pytest.fixture
def options(server: Server, proxy: ConnectProxy) -> ModelOptions:
    port = server.sockets[0].getsockname()[1]
    return ModelOptions(base_url=f"http://127.0.0.1:{port}/v1", api_key="sk-secret", proxy=proxy.url)


async def opened(options: ModelOptions) -> ModelLeg:
    return await open_model_leg(options, "a-model", None)


async def test_the_model_is_reached_through_the_proxy_with_its_key(
    options: ModelOptions, model: Model, proxy: ConnectProxy
) -> None:
    leg = await opened(options)
    assert isinstance(leg, ProxiedModelLeg)
    told = Told()
    leg.attach(told.on_texts, told.on_closed)
    connection = await model.connections.get()
    await connection.send("hello")
    async with asyncio.timeout(10):
        await told.changed.wait()
    leg.send("one")
    leg.send("two")
    leg.flush()
    leg.close()
    await leg.wait_closed()
    await model.until(lambda: bool(model.codes))
    assert (model.heard, model.codes, told.texts) == (["one", "two"], [1000], ["hello"])
    assert model.keys == ["Bearer sk-secret"]
    assert proxy.asked == [options.base_url.removeprefix("http://").removesuffix("/v1")]
    assert not told.closed.done(), "our own end is no news"


async def test_the_models_end_is_told_with_its_code(options: ModelOptions, model: Model) -> None:
    leg = await opened(options)
    told = Told()
    leg.attach(told.on_texts, told.on_closed)
    connection = await model.connections.get()
    await connection.send(b"no text")
    await connection.close(1001, "session expired")
    assert await asyncio.wait_for(told.closed, 10) == (1001, "session expired")
    await leg.wait_closed()
    assert leg.malformed == 1
    leg.send("too late")
    leg.flush()


async def test_a_connection_that_breaks_is_told_as_1006(options: ModelOptions, model: Model) -> None:
    leg = await opened(options)
    told = Told()
    leg.attach(told.on_texts, told.on_closed)
    (await model.connections.get()).transport.abort()
    assert await asyncio.wait_for(told.closed, 10) == (1006, "")
    await leg.wait_closed()


async def test_a_model_of_which_nothing_is_heard_is_given_up_as_silent(
    options: ModelOptions, model: Model
) -> None:
    connection = await open_connection(
        options.url("a-model"), options.proxy, "Bearer sk-secret", None, max_message_bytes=1000
    )
    leg = ProxiedModelLeg(connection, max_audio_bytes=1000, beat_seconds=0.05)
    told = Told()
    leg.attach(told.on_texts, told.on_closed)
    theirs = await model.connections.get()
    # It answers pings for a while, and then no more: its machine is gone.
    await theirs.send("hello")
    theirs.transport.pause_reading()
    assert await asyncio.wait_for(told.closed, 10) == (1006, "silent")
    await leg.wait_closed()
    assert told.texts == ["hello"]
    theirs.transport.abort()


async def test_a_model_that_answers_pings_is_kept(options: ModelOptions, model: Model) -> None:
    connection = await open_connection(
        options.url("a-model"), options.proxy, "Bearer sk-secret", None, max_message_bytes=1000
    )
    leg = ProxiedModelLeg(connection, max_audio_bytes=1000, beat_seconds=0.2)
    told = Told()
    leg.attach(told.on_texts, told.on_closed)
    theirs = await model.connections.get()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(told.closed), 1.5)
    await theirs.send("still here")
    async with asyncio.timeout(10):
        await told.changed.wait()
    leg.abort()
    await leg.wait_closed()


async def test_what_a_model_does_not_read_is_dropped_the_oldest_first(
    options: ModelOptions, model: Model
) -> None:
    connection = await open_connection(
        options.url("a-model"), options.proxy, "Bearer sk-secret", None, max_message_bytes=1000
    )
    leg = ProxiedModelLeg(connection, max_audio_bytes=1000, beat_seconds=10)
    for number in range(100):
        leg.send(f'{APPEND}{number:060}"}}')
    leg.send('{"type":"response.create"}')
    leg.flush()
    leg.close()
    await leg.wait_closed()
    await model.until(lambda: bool(model.codes))
    assert leg.dropped > 80
    assert model.heard[-1] == '{"type":"response.create"}'
    assert len(model.heard) == 101 - leg.dropped


@pytest.mark.parametrize(
    ("path", "refused", "code"), [("/refused", True, "invalid_api_key"), ("/moved", False, "302")]
)
async def test_a_refusal_is_told_as_on_a_socket_of_our_own(
    options: ModelOptions, path: str, refused: bool, code: str
) -> None:
    """A redirection is not followed: the key is for that address alone."""
    elsewhere = ModelOptions(base_url=options.base_url + path, api_key=options.api_key, proxy=options.proxy)
    with pytest.raises(ModelNotOpened) as caught:
        await opened(elsewhere)
    assert (caught.value.refused, caught.value.code) == (refused, code)


async def test_a_proxy_that_is_not_there_is_a_model_out_of_reach(options: ModelOptions) -> None:
    nowhere = ModelOptions(base_url=options.base_url, api_key="sk-secret", proxy="http://127.0.0.1:1")
    with pytest.raises(ModelNotOpened) as caught:
        await opened(nowhere)
    assert (caught.value.refused, caught.value.code) == (False, "unreachable")
