"""A model that takes its time to be reached: what the bridge sends first waits for so long."""

from __future__ import annotations

import asyncio
import functools

MAX_BYTES = 65536


async def listen(port: int, model_port: int, dial_s: float) -> None:
    await asyncio.start_server(functools.partial(_serve, model_port, dial_s), "127.0.0.1", port, backlog=1024)


async def _serve(
    model_port: int, dial_s: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    await asyncio.sleep(dial_s)
    model_reader, model_writer = await asyncio.open_connection("127.0.0.1", model_port)
    directions = {
        asyncio.create_task(_pass_on(reader, model_writer)),
        asyncio.create_task(_pass_on(model_reader, writer)),
    }
    await asyncio.wait(directions)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(MAX_BYTES):
            writer.write(data)
            await writer.drain()
        writer.close()
    except OSError:
        writer.transport.abort()
