"""One process that serves: `python -m server.worker --slot 0 --port 8000`, settings in the environment."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
from types import FrameType
from typing import Literal

import structlog
import uvicorn
from litestar import Litestar

from bridge.runtime.phone_leg import MAX_MESSAGE_BYTES
from bridge.web.take_over import HttpProtocol, MediaProtocol
from server.app import create_app
from server.logging import configure_logging
from server.parts import Parts
from server.settings import Settings

KEEP_ALIVE_S = 75
"""Longer than a proxy keeps an idle connection, or it writes into one that we are closing."""
GRACE_S = 5
GC_THRESHOLDS = 2_000, 1_000_000, 1000
"""Python's own are 700, 10 and 10. With these what is new is searched a little at a time, or every call would
stop for milliseconds; and what has stayed, never: with hundreds of calls that takes tens of them."""
TICKS_BETWEEN_COLLECTIONS = 600
"""uvicorn's, of 0.1 s: what little there is to collect waits for a minute without a call. Where none is, it
is done once a day all the same, when uvicorn's count begins anew."""

log = structlog.get_logger(__name__)


class Worker(uvicorn.Server):
    """Asked to stop, it first lets its calls finish, and only then closes sockets."""

    def __init__(self, config: uvicorn.Config, parts: Parts) -> None:
        super().__init__(config)
        self._parts = parts
        self._draining: asyncio.Task[None] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._draining is not None:
            super().handle_exit(sig, frame)
        elif not self.started:
            self.should_exit = True
        else:
            self._draining = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        try:
            await self._parts.drain()
        finally:
            self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        idle = counter % TICKS_BETWEEN_COLLECTIONS == 0 and self._parts.live_calls.count == 0
        if idle or counter == 0:
            gc.collect()
        return await super().on_tick(counter)

    async def startup(self, sockets: list[object] | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] (uvicorn names its socket type)
        await super().startup(sockets)  # pyright: ignore[reportArgumentType] (as above)
        # What is there now stays: a full collection over all modules would stop every call for 15 ms. And
        # calls leave no cycles behind, so that none is needed while they are up.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)


def uvicorn_config(
    app: Litestar, *, host: str, port: int, loop: Literal["uvloop", "none"] = "uvloop"
) -> uvicorn.Config:
    """How every Callbridge process serves. `loop="none"`: the one that is running already."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        loop=loop,
        http=HttpProtocol,
        ws=MediaProtocol,
        # Compressing mu-law costs ten times what it saves.
        ws_per_message_deflate=False,
        ws_max_size=MAX_MESSAGE_BYTES,
        # Who asks is seen by health.py as it is; addresses come from PUBLIC_URL, never from headers.
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        lifespan="on",
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--slot", required=True)
    arguments.add_argument("--port", required=True, type=int)
    options = arguments.parse_args()
    settings = Settings.from_env(os.environ, mode="serve")
    configure_logging(settings.log_level, settings.log_format, settings.secrets(), slot=options.slot)
    parts = Parts(settings, options.slot)
    config = uvicorn_config(create_app(parts), host=settings.host, port=options.port)
    Worker(config, parts).run()


if __name__ == "__main__":
    main()
