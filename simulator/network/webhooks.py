"""Twilio's requests to our server: signed, retried as the URL's fragment asks, given up after 15 s.

https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode, urljoin

import aiohttp

from simulator.network.overrides import Failure, Overrides, split
from simulator.network.signature import sign
from simulator.timing import Timing

Parameters = Sequence[tuple[str, str]]
MOST_REDIRECTS = 10


@dataclass
class Exchange:
    """One webhook, with all its tries."""

    url: str
    method: str
    parameters: dict[str, str]
    idempotency_token: str
    tries: list[str] = field(default_factory=list[str])
    """What came of each: an HTTP status, `ct` (no connection) or `rt` (no answer in time)."""
    status: int | None = None
    content_type: str = ""
    body: str = ""
    error_code: int | None = None
    """Twilio's code when it gave up."""
    took_ms: int = 0


class Webhooks:
    def __init__(self, http: aiohttp.ClientSession, auth_token: str, timing: Callable[[], Timing]) -> None:
        self._http = http
        self._auth_token = auth_token
        self._timing = timing

    async def ask(self, url: str, parameters: Parameters, method: str = "POST", token: str = "") -> Exchange:
        """Never raises: what went wrong is in the exchange."""
        await asyncio.sleep(self._timing().webhook_ms / 1000)
        plain, overrides = split(url)
        exchange = Exchange(plain, method, dict(parameters), token or secrets.token_hex(16))
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(overrides.total_ms / 1000):
                for _ in range(1 + overrides.retries):
                    failure = await self._try(exchange, parameters, overrides)
                    if failure is None or not overrides.retries_after(failure):
                        break
        except TimeoutError:
            exchange.tries.append("rt")
            exchange.error_code = 11205
        exchange.took_ms = round((loop.time() - began) * 1000)
        return exchange

    async def _try(self, exchange: Exchange, parameters: Parameters, overrides: Overrides) -> Failure | None:
        timeout = aiohttp.ClientTimeout(
            total=(overrides.connect_ms + overrides.read_ms) / 1000,
            sock_connect=overrides.connect_ms / 1000,
            sock_read=overrides.read_ms / 1000,
        )
        exchange.error_code = 11205
        try:
            await self._request(exchange, parameters, timeout)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            exchange.tries.append("ct")
            return "ct"
        except (aiohttp.ClientError, TimeoutError):
            exchange.tries.append("rt")
            return "rt"
        exchange.tries.append(str(exchange.status))
        status = exchange.status or 0
        exchange.error_code = None if 200 <= status < 300 else 11215 if 300 <= status < 400 else 11200
        if status >= 500:
            return "5xx"
        return "4xx" if status >= 400 else None

    async def _request(
        self, exchange: Exchange, parameters: Parameters, timeout: aiohttp.ClientTimeout
    ) -> None:
        """One request and the redirects it is answered with, each signed for its own address."""
        url, method = exchange.url, exchange.method
        for _ in range(1 + MOST_REDIRECTS):
            form = list(parameters)
            if method == "GET":
                url += ("&" if "?" in url else "?") + urlencode(form)
                form = []
            headers = {
                "X-Twilio-Signature": sign(self._auth_token, url, form),
                "I-Twilio-Idempotency-Token": exchange.idempotency_token,
                "User-Agent": "TwilioProxy/1.1",
            }
            body = urlencode(form) if method == "POST" else None
            if body is not None:
                headers["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8"
            async with self._http.request(
                method, url, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                exchange.status = response.status
                exchange.content_type = response.content_type
                exchange.body = await response.text(errors="replace")
                location = response.headers.get("Location")
            if not location or not 300 <= response.status < 400:
                return
            url = urljoin(url, location)
            method = method if response.status in (307, 308) else "GET"
