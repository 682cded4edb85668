"""How the `twilio` package speaks HTTP for us.

Its own asynchronous client ignores its timeout, and signs in by a way that aiohttp is about to remove.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import httpx
from twilio.http import AsyncHttpClient
from twilio.http.response import Response


class TwilioHttp(AsyncHttpClient):
    """Keeps connections open between requests; no answer later than `request_seconds` after the last byte."""

    def __init__(self, request_seconds: float) -> None:
        super().__init__(logging.getLogger(__name__), True, request_seconds)
        self._client = httpx.AsyncClient(timeout=request_seconds)

    async def request(
        self,
        method: str,
        uri: str,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        answer = await self._client.request(
            method,
            uri,
            params=params or None,
            data=dict(data) if data else None,
            headers=headers,
            auth=auth,
            follow_redirects=allow_redirects,
        )
        return Response(answer.status_code, answer.text, answer.headers)

    async def close(self) -> None:
        await self._client.aclose()
