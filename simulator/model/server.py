"""The pretend OpenAI: `/v1/realtime` over WebSocket, to be mounted in an aiohttp application or served
alone.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from simulator.model.admission import Refusal, refusal_of
from simulator.model.brain import PracticeBrain
from simulator.model.connection import Connection, Recogniser, Speaker
from simulator.model.handshake_faults import HandshakeFaults
from simulator.model.outlet import Outlet
from simulator.model.reply import Mind
from simulator.model.script import Script
from simulator.model.session import Session
from simulator.model.session_faults import SessionFault
from simulator.model.settings import ModelBehaviour, ModelTiming
from simulator.model.stats import ModelStats
from simulator.wire import SocketFault

PATH = "/v1/realtime"
_LARGEST_MESSAGE = 24 * 1024 * 1024
"""15 MiB of audio in base64, and room."""


class VoiceModel:
    """Sessions, what they are to say, and what happened in them.

    `timing` and `behaviour` may be changed at any time. `speak` turns text into mu-law; `recognise`, when
    given, hears speech that carries no mark.
    """

    def __init__(
        self,
        speak: Speaker,
        *,
        timing: ModelTiming | None = None,
        behaviour: ModelBehaviour | None = None,
        recognise: Recogniser | None = None,
    ) -> None:
        self.timing = timing or ModelTiming()
        self.behaviour = behaviour or ModelBehaviour()
        self.stats = ModelStats()
        self._speak = speak
        self._recognise = recognise
        self.handshake_faults = HandshakeFaults()
        self._scripts: deque[Script] = deque()
        self._connections: set[Connection] = set()
        self._problems: list[str] = []
        self._minds: dict[str, Mind] = {}
        self._changed = asyncio.Condition()
        self._opened = 0

    def script(self, script: Script) -> None:
        """The next session without a script follows this one; sessions beyond the scripts use the practice
        brain.
        """
        self._scripts.append(script)

    @property
    def problems(self) -> list[str]:
        """Everything that did not go by the scripts; empty at the end of a good test.

        Sessions that are still open are not yet blamed for what may still come.
        """
        running = [f"{name}: {problem}" for name, mind in self._minds.items() for problem in mind.problems]
        unused = ["a script was never used: no session came"] * len(self._scripts)
        return [*self._problems, *running, *unused]

    def forget(self) -> None:
        """Scripts not yet used, problems and statistics of sessions that are over."""
        self._scripts.clear()
        self._problems.clear()
        self.stats.sessions = [session for session in self.stats.sessions if session.close_code is None]
        self.stats.refused = 0

    def fail(
        self,
        fault: SocketFault | SessionFault,
        *,
        about: str = "",
        seconds: float | None = None,
        code: int = 1011,
    ) -> int:
        """Something happens to each open session whose instructions contain `about`; returns to how many.

        `seconds` and `code`: see `Wire.fail`."""
        struck = [c for c in self._connections if about in c.session.record.instructions]
        for connection in struck:
            connection.fail(fault, seconds=seconds, code=code)
        return len(struck)

    def routes(self) -> list[web.RouteDef]:
        return [web.get(PATH, self._realtime)]

    async def all_closed(self) -> None:
        """Wait until no session is open."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._connections)

    async def close(self) -> None:
        """End every session, as a server that goes away does (1001)."""
        await asyncio.gather(*(c.wire.close(1001, "going away") for c in list(self._connections)))

    async def _realtime(self, request: web.Request) -> web.StreamResponse:
        fault = self.handshake_faults.take(asyncio.get_running_loop().time())
        await asyncio.sleep(self.timing.connect_ms / 1000 + (fault.hang_s if fault else 0))
        if fault is not None and fault.status:
            self.stats.refused += 1
            return web.json_response({"error": _error_of(fault.status)}, status=fault.status)
        refusal = refusal_of(request.headers, request.query, self.behaviour)
        if refusal is not None and refusal.status is not None:
            self.stats.refused += 1
            return web.json_response({"error": refusal.body}, status=refusal.status)
        socket = web.WebSocketResponse(
            compress=False, max_msg_size=_LARGEST_MESSAGE, autoping=False, autoclose=False
        )
        try:
            await socket.prepare(request)
        except ConnectionError:
            return socket  # whoever asked has left
        if refusal is not None:
            await self._refuse(socket, refusal)
        else:
            await self._converse(request, socket)
        return socket

    async def _refuse(self, socket: web.WebSocketResponse, refusal: Refusal) -> None:
        self.stats.refused += 1
        outlet = Outlet(self.behaviour, self.behaviour.seed)
        outlet.error(refusal.refused, None)
        for frame in outlet.take():
            if isinstance(frame, str):
                await socket.send_str(frame)
        await socket.close(code=refusal.close_code, message=refusal.reason.encode())

    async def _converse(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        self._opened += 1
        number = self._opened
        mind: Mind = self._scripts.popleft() if self._scripts else PracticeBrain()
        session = Session(
            request.query["model"],
            mind,
            timing=self.timing,
            behaviour=self.behaviour,
            seed=self.behaviour.seed * 1_000_003 + number,
            now=asyncio.get_running_loop().time(),
            epoch=int(time.time()),
            recognises=self._recognise is not None,
        )
        name = f"session {number}"
        connection = Connection(request, socket, session, self._speak, self._recognise)
        self.stats.sessions.append(session.record)
        self._connections.add(connection)
        self._minds[name] = mind
        code = 1006
        try:
            code = await connection.run()
        finally:
            session.record.close(code)
            del self._minds[name]
            self._problems += [f"{name}: {problem}" for problem in (*mind.problems, *mind.leftovers())]
            self._connections.discard(connection)
            async with self._changed:
                self._changed.notify_all()


def _error_of(status: int) -> dict[str, str | None]:
    """Of an HTTP answer in place of the upgrade."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        code, kind = "rate_limit_exceeded", "rate_limit_error"
    else:
        code, kind = "server_error", "server_error"
    return {"message": "The simulator was asked to refuse.", "type": kind, "param": None, "code": code}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a served model listens."""

    port: int

    @property
    def base_url(self) -> str:
        """What `OPENAI_BASE_URL` is to be."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def realtime_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}{PATH}"


@asynccontextmanager
async def serve_model(model: VoiceModel, *, port: int = 0) -> AsyncGenerator[Address]:
    """The model alone on a loopback port, in this event loop, while the context lasts."""
    application = web.Application()
    application.add_routes(model.routes())
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    addresses: list[tuple[str, int]] = list(runner.addresses)
    try:
        yield Address(addresses[0][1])
    finally:
        await model.close()
        await runner.cleanup()
