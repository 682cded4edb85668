"""A receiver of webhooks on a loopback port that checks every one with the reference library."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from standardwebhooks.webhooks import Webhook

Answer = Callable[[str], Awaitable[web.StreamResponse] | web.StreamResponse]


class Receiver:
    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        """By path; what is sent to another one is answered 404."""
        self.answer: Answer = lambda _: web.Response(status=204)
        """Given the `webhook-id`, after the signature was checked."""
        self.requests: Counter[str] = Counter()
        """How often each `webhook-id` came."""
        self.taken: dict[str, list[Any]] = {}
        """The bodies that were answered with 2xx, by `webhook-id`."""
        self.headers: list[dict[str, str]] = []
        self.url = ""
        self._changed = asyncio.Condition()
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/{path:.*}", self._receive)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://localhost:{port}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def until(self, condition: Callable[[], bool], timeout_s: float = 15.0) -> None:
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(condition)

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        secret = self.secrets.get(request.path)
        if secret is None:
            return web.Response(status=404)
        headers = {name.lower(): value for name, value in request.headers.items()}
        event = Webhook(secret).verify(await request.text(), headers)
        message_id = headers["webhook-id"]
        self.headers.append(headers)
        async with self._changed:
            self.requests[message_id] += 1
            self._changed.notify_all()
        answer = self.answer(message_id)
        response = answer if isinstance(answer, web.StreamResponse) else await answer
        if 200 <= response.status < 300:
            async with self._changed:
                self.taken.setdefault(message_id, []).append(event)
                self._changed.notify_all()
        return response
