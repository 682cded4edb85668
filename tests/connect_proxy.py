"""A proxy that connects wherever it is asked to (RFC 9110, CONNECT)."""

from __future__ import annotations

import asyncio


class ConnectProxy:
    def __init__(self) -> None:
        self.asked: list[str] = []
        """`host:port`, of each connection."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server
        self.url = ""

    async def __aenter__(self) -> ConnectProxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target = head.split(b" ", 2)[:2]
        assert method == b"CONNECT"
        self.asked.append(target.decode())
        host, _, port = target.decode().rpartition(":")
        onward, back = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        both = {
            asyncio.create_task(self._pass_on(reader, back)),
            asyncio.create_task(self._pass_on(onward, writer)),
        }
        self._tasks |= both
        await asyncio.wait(both)
        self._tasks -= both

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()
