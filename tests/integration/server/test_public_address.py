"""Where the public address leads, and the exact reason when it does not lead here."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable

from aiohttp import web
from twilio.request_validator import RequestValidator

from server.public_address import trouble_with

TOKEN = "an-auth-token"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def serving(media: Handler, *, health: int = 200) -> AsyncGenerator[str]:
    async def healthz(_: web.Request) -> web.Response:
        return web.Response(status=health)

    async def voice(_: web.Request) -> web.Response:
        return web.Response(status=403)

    app = web.Application()
    app.add_routes(
        [web.get("/healthz", healthz), web.post("/twilio/voice", voice), web.get("/twilio/media/0", media)]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def media(request: web.Request) -> web.StreamResponse:
    url = f"ws://{request.host}{request.path}"
    if not RequestValidator(TOKEN).validate(url, {}, request.headers["X-Twilio-Signature"]):
        return web.Response(status=403)
    accepted = web.WebSocketResponse()
    await accepted.prepare(request)
    await accepted.receive()
    return accepted


async def examined(url: str, token: str = TOKEN) -> str:
    trouble = await trouble_with(url, token, f"{url.replace('http', 'ws', 1)}/twilio/media/0")
    return "" if trouble is None else trouble.what


async def test_an_address_that_takes_requests_and_signed_upgrades_is_right() -> None:
    async with serving(media) as url:
        assert await examined(url) == ""


async def test_another_auth_token_is_told_apart_from_a_proxy_that_passes_no_upgrade() -> None:
    async def no_upgrade(_: web.Request) -> web.StreamResponse:
        return web.Response(status=400)

    async with serving(media) as url:
        assert "refuses a signature" in await examined(url, "another-token")
    async with serving(no_upgrade) as url:
        assert "does not become a WebSocket (400)" in await examined(url)


async def test_a_proxy_without_a_server_behind_it_is_named() -> None:
    async with serving(media, health=502) as url:
        assert "a proxy that does not reach this server" in await examined(url)


async def test_a_name_without_an_address_and_a_closed_port_are_named() -> None:
    assert "no address in DNS" in await examined("https://callbridge.invalid")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        assert "refuses the connection" in await examined(f"https://127.0.0.1:{taken.getsockname()[1]}")


async def test_what_speaks_no_tls_is_named() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert "does not speak TLS" in await examined(f"https://127.0.0.1:{port}")
