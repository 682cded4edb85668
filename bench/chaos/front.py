"""What stands between Twilio and the processes, as the Caddyfile has it: a slot's own process first, another
when that one is down; what a dying process took with it is asked of the next.

Caddy itself is tested by `make test-caddy`; here nothing may depend on what is installed.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re

TRY_S = 12.0
TRY_EACH_S = 0.1
"""`lb_try_duration` and `lb_try_interval` of the Caddyfile."""
_SLOT = re.compile(rb"^\S+ /twilio/(?:media|after-stream)/([0-9])(?:[/ ?])")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_UPGRADE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
_CONNECTION = re.compile(rb"\r\nconnection:[^\r]*", re.IGNORECASE)
_UNAVAILABLE = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_GONE = (ConnectionError, OSError, asyncio.IncompleteReadError)


class Front:
    """`ports`: of the processes that take new requests, by slot. May be changed at any time."""

    def __init__(self) -> None:
        self.ports: dict[int, int] = {}
        self._turn = itertools.count()
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Front:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0, limit=2**20)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await reader.readexactly(int(length[1])) if length else b""
            if not _UPGRADE.search(head):
                # One request a connection: the next one may belong to another process.
                head = _CONNECTION.sub(b"", head).replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
            await self._forward(head, body, reader, writer)
        except _GONE:
            pass
        finally:
            writer.close()

    async def _forward(
        self, head: bytes, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + TRY_S
        while loop.time() < until:
            for port in self._in_order(head):
                if await self._forwarded(port, head, body, reader, writer):
                    return
            await asyncio.sleep(TRY_EACH_S)
        writer.write(_UNAVAILABLE)

    def _in_order(self, head: bytes) -> list[int]:
        ports = list(self.ports.values())
        found = _SLOT.match(head)
        own = self.ports.get(int(found[1])) if found else None
        if own is not None:
            return [own, *(port for port in ports if port != own)]
        first = next(self._turn) % max(1, len(ports))
        return ports[first:] + ports[:first]

    async def _forwarded(
        self,
        port: int,
        head: bytes,
        body: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        """False: that process has not answered, and another may be asked."""
        try:
            from_process, to_process = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
        except OSError:
            return False
        try:
            to_process.write(head + body)
            first = b""
            with contextlib.suppress(*_GONE):
                first = await from_process.read(2**16)
            if not first:
                return False
            writer.write(first)
            await self._join((reader, to_process), (from_process, writer))
            return True
        finally:
            to_process.close()

    async def _join(self, *ways: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        """Until either end is gone; the other one sees it go, without a close frame."""
        pumps = [asyncio.create_task(_pump(*way)) for way in ways]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(2**16):
            writer.write(piece)
            await writer.drain()
    except _GONE:
        writer.transport.abort()
