"""An operator's own server: tools' webhooks that answer what the test tells them to."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

from aiohttp import web
from msgspec import Struct


class ToolRequest(Struct, frozen=True):
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    """With names in small letters."""
    text: str

    @property
    def body(self) -> dict[str, Any]:
        return json.loads(self.text)


Answer = Callable[[ToolRequest], Awaitable[web.Response]]


class ToolServer:
    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        """By path."""
        self.requests: list[ToolRequest] = []
        self.url = ""

    async def __aenter__(self) -> ToolServer:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    def says(self, path: str, text: str, status: int = 200) -> None:
        async def answer(_: ToolRequest) -> web.Response:
            return web.Response(text=text, status=status)

        self.answers[path] = answer

    async def _answer(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        text = await request.text()
        taken = ToolRequest(request.method, request.path, dict(request.query), headers, text)
        self.requests.append(taken)
        answer = self.answers.get(request.path)
        return web.Response(status=404) if answer is None else await answer(taken)
