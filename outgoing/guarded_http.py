"""HTTP to addresses that operators gave us: each name is resolved once, then vetted, then connected to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import httpcore
import httpx

from outgoing.address_guard import AddressGuard, AddressRefused

MAX_CONNECTIONS = 100
KEEP_IDLE_CONNECTIONS = 20
KEEP_IDLE_SECONDS = 15.0


def guarded_client(guard: AddressGuard, *, timeout_seconds: float, user_agent: str) -> httpx.AsyncClient:
    """Follows no redirects and knows no proxies: both would lead around the guard. Raises AddressRefused."""
    return httpx.AsyncClient(
        transport=GuardedTransport(guard),
        timeout=timeout_seconds,
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": user_agent},
    )


class GuardedTransport(httpx.AsyncHTTPTransport):
    """As httpx's own, but that connections are made by us. Host and TLS names stay those of the address."""

    def __init__(self, guard: AddressGuard) -> None:
        context = httpx.create_ssl_context()
        super().__init__(verify=context, trust_env=False)
        self._guard = guard
        # httpx has no argument for the way in which its pool connects; httpcore, below it, has.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=KEEP_IDLE_CONNECTIONS,
            keepalive_expiry=KEEP_IDLE_SECONDS,
            network_backend=GuardedBackend(guard),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        why = self._guard.why_refused(str(request.url))
        if why is not None:
            raise AddressRefused(f"{request.url.host} {why}")
        return await super().handle_async_request(request)


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Between the look at a name's addresses and the connection nobody asks for them again."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        # Defined there only where anyio is installed, which its type cannot say.
        self._network = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            addresses = await self._guard.resolve(host, port)
        except OSError as error:
            raise httpcore.ConnectError(f"{host} is not known") from error
        failed: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)
