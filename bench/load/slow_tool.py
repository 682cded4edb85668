"""A webhook of a tool that takes its time."""

from __future__ import annotations

import asyncio

SECONDS = 5.0
_ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"ok":true}'


async def listen(port: int) -> None:
    await asyncio.start_server(_serve, "127.0.0.1", port)


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(_length(head))
            await asyncio.sleep(SECONDS)
            writer.write(_ANSWER)
    except (OSError, asyncio.IncompleteReadError):
        writer.close()


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return int(value)
    return 0
