"""Programs that a check starts, with what they print kept, and ended when the check is over."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import ssl
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

STOP_LIMIT_S = 45.0


@contextlib.asynccontextmanager
async def running(
    command: list[str], log: Path, environ: Mapping[str, str] | None = None
) -> AsyncGenerator[asyncio.subprocess.Process]:
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, env=os.environ | (environ or {}), stdout=output, stderr=asyncio.subprocess.STDOUT
        )
    try:
        yield process
    except BaseException:
        print(f"--- {log.name}\n{_end_of(log)}")
        raise
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(STOP_LIMIT_S):
                    await process.wait()
            except TimeoutError:
                print(f"{log.name}: did not end within {STOP_LIMIT_S:.0f} s and was killed")
                process.kill()


async def listening(port: int, limit_s: float = 30.0) -> None:
    async with asyncio.timeout(limit_s):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


async def certificate(name: str, trusted: Path) -> int:
    """The serial number of what `name` shows, verified against the roots in `trusted`. Raises OSError."""
    context = ssl.create_default_context(cafile=str(trusted))
    _, writer = await asyncio.open_connection(name, 443, ssl=context)
    try:
        return int(writer.get_extra_info("peercert")["serialNumber"], 16)
    finally:
        writer.close()


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-1500:]
