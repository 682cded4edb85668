"""What the Caddyfile promises, asked of a real Caddy in front of two small workers on ports 8000 and 8001."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from pathlib import Path

import aiohttp
from aiohttp import web

ROOT = Path(__file__).resolve().parents[2]
SITE = "http://127.0.0.1:5080"
LIMIT_S = 10.0


async def worker(port: int) -> web.AppRunner:
    """Says who it is; echoes on sockets; streams two pieces with an answer in between."""
    go_on = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/go-on":
            go_on.set()
        if request.path == "/events":
            stream = web.StreamResponse(headers={"content-type": "text/event-stream"})
            await stream.prepare(request)
            await stream.write(b"data: 1\n\n")
            await go_on.wait()
            await stream.write(b"data: 2\n\n")
            return stream
        if request.headers.get("upgrade", "").lower() == "websocket":
            return await echo(request)
        return web.Response(text=str(port))

    async def echo(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(f"{port} {message.data}")
        return socket

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return runner


def check(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        sys.exit(f"wrong  {what}: {found!r}, not {wanted!r}")
    print(f"ok     {what}")


async def examine(caddyfile: Path, caddy: str, environment: dict[str, str]) -> None:
    first, second = await worker(8000), await worker(8001)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(LIMIT_S)) as client:

        async def text(path: str, method: str = "GET") -> str:
            async with client.request(method, SITE + path) as answer:
                return await answer.text() if answer.status == 200 else str(answer.status)

        for path in ("/metrics", "/metrics/", "/metrics/x", "/Metrics"):
            check(f"{path} is not public", await text(path), "404")
        check("webhooks pass", await text("/twilio/voice", "POST") in {"8000", "8001"}, True)
        for slot in (0, 1):
            path = f"/twilio/after-stream/{slot}/call_1"
            check(f"slot {slot} goes to its process", await text(path, "POST"), f"800{slot}")
        async with client.get(f"{SITE}/events") as events:
            check("events arrive at once", await events.content.readuntil(b"\n\n"), b"data: 1\n\n")
            while not events.content.at_eof():
                await asyncio.gather(*(text("/go-on") for _ in range(4)))
                if (await events.content.read()) == b"data: 2\n\n":
                    break
        async with client.ws_connect(f"{SITE}/twilio/media/1") as socket:
            await socket.send_str("before")
            check("media sockets pass, by slot", await socket.receive_str(), "8001 before")
            change(caddyfile)
            await run([caddy, "reload", "--config", str(caddyfile), "--adapter", "caddyfile"], environment)
            await socket.send_str("after")
            check("a call outlives a reload", await socket.receive_str(), "8001 after")
        await second.cleanup()
        path = "/twilio/after-stream/1/call_1"
        check("another process stands in for one that is down", await text(path, "POST"), "8000")
    await first.cleanup()


def change(caddyfile: Path) -> None:
    """What is the same as before Caddy would not even reload."""
    caddyfile.write_text(caddyfile.read_text().replace("health_interval 1s", "health_interval 2s"))


async def run(command: list[str], environment: dict[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    if process.returncode:
        sys.exit(f"wrong  {' '.join(command[1:3])}:\n{output.decode()}")


async def main(caddy: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        caddyfile = Path(folder) / "Caddyfile"
        caddyfile.write_text((ROOT / "Caddyfile").read_text())
        environment = os.environ | {
            "SITE_ADDRESS": SITE,
            "WORKERS_AT": "127.0.0.1:8000 127.0.0.1:8001",
            "CADDY_ADMIN": "127.0.0.1:5081",
            "CADDY_GLOBAL": f"{folder}/*.caddy",
            "XDG_DATA_HOME": folder,
            "XDG_CONFIG_HOME": folder,
            "HOME": folder,
        }
        await run([caddy, "validate", "--config", str(caddyfile), "--adapter", "caddyfile"], environment)
        print("ok     caddy validate")
        process = await asyncio.create_subprocess_exec(
            caddy, "run", "--config", str(caddyfile), "--adapter", "caddyfile",
            env=environment, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            await listening(5080)
            await examine(caddyfile, caddy, environment)
        finally:
            process.send_signal(signal.SIGTERM)
            await process.wait()


async def listening(port: int) -> None:
    async with asyncio.timeout(LIMIT_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
