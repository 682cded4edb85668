"""The model over TLS, on asyncio's loop and on uvloop: whom we trust, and that its end is heard of."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop
from websockets.asyncio.server import ServerConnection, serve

from bench import certificate
from bridge.runtime.model_leg import ModelLeg, ModelNotOpened, ModelOptions, open_model_leg

Loop = Callable[[], asyncio.AbstractEventLoop]
pytestmark = pytest.mark.parametrize(
    "loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)


class Model:
    """Says everything back; says goodbye when it is told so; what it is sent raw it says raw."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self.key = certificate.make(folder)
        self.trusting = ssl.create_default_context(cafile=str(self.certificate))

    async def talk(self, connection: ServerConnection) -> None:
        async for message in connection:
            if message == "goodbye":
                await connection.close(4000, "goodbye")
            elif message == "break":
                connection.transport.abort()
            else:
                await connection.send(message)


class Told:
    def __init__(self) -> None:
        self.texts: list[str] = []
        self.closed: list[tuple[int, str]] = []
        self.changed = asyncio.Event()

    def on_texts(self, texts: list[str]) -> None:
        self.texts += texts
        self.changed.set()

    def on_closed(self, code: int, reason: str) -> None:
        self.closed.append((code, reason))
        self.changed.set()

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not true():
                self.changed.clear()
                await self.changed.wait()


Story = Callable[[Model, ModelOptions], Awaitable[None]]


async def told(loop: Loop, folder: Path, story: Story) -> None:
    """On a loop of its own, in a thread of its own."""

    async def main() -> None:
        model = Model(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(model.certificate, model.key)
        async with serve(model.talk, "127.0.0.1", 0, ssl=context, max_size=None) as server:
            port = server.sockets[0].getsockname()[1]
            await story(model, ModelOptions(base_url=f"https://localhost:{port}/v1", api_key="sk-secret"))

    def run() -> None:
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(main())

    await asyncio.to_thread(run)


async def attached(model: Model, options: ModelOptions) -> tuple[ModelLeg, Told]:
    leg, heard = await open_model_leg(options, "a-model", model.trusting), Told()
    leg.attach(heard.on_texts, heard.on_closed)
    return leg, heard


async def test_long_and_short_messages_come_back_whole(loop: Loop, tmp_path: Path) -> None:
    async def story(model: Model, options: ModelOptions) -> None:
        leg, heard = await attached(model, options)
        said = ["a", "b" * 70_000, "c" * 3_000_000, "d"]
        for text in said:
            leg.send(text)
            leg.flush()
        await heard.until(lambda: len(heard.texts) == len(said))
        assert heard.texts == said
        leg.close()
        await leg.wait_closed()
        assert not heard.closed

    await told(loop, tmp_path, story)


@pytest.mark.parametrize(
    ("word", "end"), [("goodbye", (4000, "goodbye")), ("break", (1006, ""))], ids=["closed", "broken"]
)
async def test_its_end_is_told_once(loop: Loop, tmp_path: Path, word: str, end: tuple[int, str]) -> None:
    async def story(model: Model, options: ModelOptions) -> None:
        leg, heard = await attached(model, options)
        leg.send(word)
        leg.flush()
        await heard.until(lambda: bool(heard.closed))
        leg.abort()
        await leg.wait_closed()
        assert heard.closed == [end]

    await told(loop, tmp_path, story)


async def test_a_certificate_that_nobody_vouches_for_is_not_taken(loop: Loop, tmp_path: Path) -> None:
    """The key would be told to whoever stands in between."""

    async def story(model: Model, options: ModelOptions) -> None:
        with pytest.raises(ModelNotOpened) as caught:
            await open_model_leg(options, "a-model", ssl.create_default_context())
        assert (caught.value.refused, caught.value.code) == (False, "unreachable")
        elsewhere = ModelOptions(
            base_url=options.base_url.replace("localhost", "127.0.0.2"), api_key="sk-secret"
        )
        with pytest.raises(ModelNotOpened):
            await open_model_leg(elsewhere, "a-model", model.trusting)

    await told(loop, tmp_path, story)
