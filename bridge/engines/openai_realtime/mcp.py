"""MCP tools, which OpenAI calls by itself: told of, and the model asked to go on where it does not.

https://platform.openai.com/docs/guides/realtime-mcp
"""

from __future__ import annotations

from typing import Any, cast

from bridge.call.engine import ModelEvent, ModelTrouble, RemoteToolCalled, RemoteToolReturned
from bridge.engines.openai_realtime.server_events import Item, ResponseData

FAILED = "It failed."


class McpCalls:
    """Of one session."""

    def __init__(self) -> None:
        self._labels: dict[str, str] = {}
        """Of lists of tools, by their item."""
        self._items: dict[str, Item] = {}
        """Calls that are being written."""
        self._running: dict[str, bool | None] = {}
        """By item; whether it went well, as far as that was said."""

    def item_added(self, item: Item) -> None:
        """An item of any type has begun; it may be told of twice."""
        if item.type == "mcp_list_tools":
            self._labels[item.id] = item.server_label or "?"
        elif item.type == "mcp_call" and item.id not in self._running:
            self._items[item.id] = item

    def listing_failed(self, item_id: str) -> list[ModelEvent]:
        label = self._labels.get(item_id, "?")
        return [ModelTrouble("mcp_list_tools_failed", f"The tools of MCP server {label} cannot be listed.")]

    def called(self, item_id: str, arguments: str) -> list[ModelEvent]:
        """Its arguments are written: now it runs."""
        item = self._items.pop(item_id, None)
        if item is None:
            return []
        self._running[item_id] = None
        return [RemoteToolCalled(item_id, item.server_label or "?", item.name or "?", arguments)]

    def call_ended(self, item_id: str, *, ok: bool) -> None:
        """What it answered, or why it failed, stands in the item, which follows."""
        if item_id in self._running:
            self._running[item_id] = ok

    def item_done(self, item: Item) -> list[ModelEvent]:
        if item.type != "mcp_call":
            return []
        told = self.called(item.id, item.arguments or "")
        if item.id not in self._running:
            return told
        ok = self._running.pop(item.id) is not False and item.error is None
        output = (item.output or "") if ok else FAILED
        return [*told, RemoteToolReturned(item.id, ok, output, _status(item.error))]

    def response_done(self, response: ResponseData) -> tuple[list[ModelEvent], bool]:
        """What never ended has failed. True: the model has a result and has said nothing about it; whether
        it would by itself is not documented."""
        left: list[ModelEvent] = [
            RemoteToolReturned(item_id, ok is True, "" if ok else FAILED)
            for item_id, ok in self._running.items()
        ]
        self._running.clear()
        self._items.clear()
        ended_in_a_call = bool(response.output) and response.output[-1].type == "mcp_call"
        return left, ended_in_a_call and response.status == "completed"


def _status(error: Any) -> int | None:
    """Of HTTP, where that was the reason."""
    if not isinstance(error, dict):
        return None
    found = cast("dict[str, Any]", error)
    code = found.get("code") if found.get("type") == "http_error" else None
    return code if isinstance(code, int) else None
