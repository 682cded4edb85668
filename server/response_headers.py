"""Headers that every answer bears, whichever proxy stands in front."""

from __future__ import annotations

from litestar.datastructures import MutableScopeHeaders
from litestar.types import Message, Scope

HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


async def add_headers(message: Message, scope: Scope) -> None:
    """Before it is sent. What operators ask is theirs alone: no browser or proxy is to keep it."""
    if message["type"] != "http.response.start":
        return
    headers = MutableScopeHeaders.from_message(message)
    for name, value in HEADERS.items():
        headers[name] = value
    if scope["path"].startswith("/v1"):
        headers["cache-control"] = "no-store"
