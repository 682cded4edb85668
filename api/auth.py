"""API keys and what each may do."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from msgspec import Struct

from api.client_address import ClientAddress
from api.errors import Problem
from api.queries import refuse_unknown_queries
from api.rate_limits import RateLimits
from database.api_keys import digest, use_key
from database.session import Database

Scope = Literal[
    "agents:read",
    "agents:write",
    "numbers:read",
    "numbers:write",
    "calls:read",
    "calls:write",
    "admin",
]
Guard = Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], Awaitable[None]]
SECURITY: list[dict[str, list[str]]] = [{"apiKey": []}]


class Caller(Struct, frozen=True):
    """Who makes a request; `request.auth`."""

    key_id: str
    key_hint: str
    """How the key begins, or the setting that holds it."""
    scopes: frozenset[str]

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes or "admin" in self.scopes


class Authenticator:
    """In `app.state.authenticator`."""

    def __init__(
        self,
        database: Database,
        admin_api_key: str,
        limits: RateLimits | None = None,
        client_address: ClientAddress | None = None,
    ) -> None:
        """`admin_api_key` may be empty: then only keys of the database count."""
        self._database = database
        self._admin_sha256 = digest(admin_api_key) if admin_api_key else None
        self._limits = limits or RateLimits()
        self._client_address = client_address or ClientAddress()

    async def caller(self, secret: str, connection: ASGIConnection[Any, Any, Any, Any]) -> Caller | None:
        """None: no such key. Raises Problem 429."""
        address, key_sha256 = self._client_address.of(connection), digest(secret)
        self._limits.before(address, key_sha256)
        caller = await self._holder_of(secret, key_sha256)
        if caller is None:
            self._limits.wrong(address, key_sha256)
        else:
            self._limits.right(address, key_sha256)
        return caller

    async def _holder_of(self, secret: str, key_sha256: str) -> Caller | None:
        if self._admin_sha256 and hmac.compare_digest(key_sha256, self._admin_sha256):
            return Caller("admin", "ADMIN_API_KEY", frozenset({"admin"}))
        async with self._database.session.begin() as session:
            key = await use_key(session, secret)
        return None if key is None else Caller(key.id, key.hint, frozenset(key.scopes))


def needs(scope: Scope) -> Guard:
    """Let in those whose API key has the scope, with no query parameter that the route does not know."""

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        authenticator: Authenticator = connection.app.state.authenticator
        scheme, _space, secret = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise _unauthorized(
                "Send an API key: 'Authorization: Bearer <API key>'.", 'Bearer realm="callbridge"'
            )
        caller = await authenticator.caller(secret.strip(), connection)
        if caller is None:
            raise _unauthorized(
                "This API key does not exist, or was deleted.",
                'Bearer realm="callbridge", error="invalid_token"',
            )
        if not caller.may(scope):
            raise Problem(403, f"This API key lacks the scope {scope!r}.")
        connection.scope["auth"] = caller
        refuse_unknown_queries(connection, handler)

    return guard


def _unauthorized(detail: str, challenge: str) -> Problem:
    return Problem(401, detail, headers={"WWW-Authenticate": challenge})
