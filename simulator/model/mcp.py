"""MCP servers as the service uses them: their tools are listed when a session gets them, and called at will.

https://platform.openai.com/docs/guides/realtime-mcp. There is no server: what it has and answers is made up.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from simulator.model.conversation import Conversation, Item
from simulator.model.outlet import Outlet
from simulator.model.reply import CallMcpTool
from simulator.model.shapes import Json


def list_tools(tools: Sequence[Json], conversation: Conversation, outlet: Outlet) -> None:
    """Once for each server that the session has not asked before."""
    listed = {
        item.wire["server_label"] for item in conversation.items if item.wire["type"] == "mcp_list_tools"
    }
    for tool in tools:
        if tool["type"] == "mcp" and tool["server_label"] not in listed:
            _list(tool, conversation, outlet)


def _list(tool: Json, conversation: Conversation, outlet: Outlet) -> None:
    names = outlet.behaviour.mcp_servers.get(tool.get("server_url", ""))
    given = tool.get("allowed_tools")
    allowed = cast("list[str] | None", given.get("tool_names") if isinstance(given, dict) else given)  # pyright: ignore[reportUnknownMemberType] (JSON)
    item = Item(
        {
            "id": outlet.new_id("mcpl"),
            "type": "mcp_list_tools",
            "server_label": tool["server_label"],
            "tools": [],
        }
    )
    previous = conversation.last_id
    conversation.append(item)
    outlet.emit("conversation.item.added", previous_item_id=previous, item=item.snapshot())
    outlet.emit("mcp_list_tools.in_progress", item_id=item.id)
    if names is None:
        outlet.emit("mcp_list_tools.failed", item_id=item.id)
    else:
        item.wire["tools"] = [
            {"name": name, "description": "", "input_schema": {"type": "object"}}
            for name in names
            if allowed is None or name in allowed
        ]
        outlet.emit("mcp_list_tools.completed", item_id=item.id)
    outlet.emit("conversation.item.done", previous_item_id=previous, item=item.snapshot())


def mcp_item(call: CallMcpTool) -> Json:
    """It has neither `object` nor `status`."""
    return {"type": "mcp_call", "server_label": call.server_label, "name": call.name, "arguments": ""}


@dataclass(slots=True)
class McpCall:
    """One call on its way."""

    call: CallMcpTool
    item: Item
    response_id: str
    output_index: int

    def begin(self, outlet: Outlet) -> None:
        arguments = json.dumps(dict(self.call.arguments))
        place = {"response_id": self.response_id, "item_id": self.item.id, "output_index": self.output_index}
        outlet.emit("response.mcp_call_arguments.delta", **place, delta=arguments)
        self.item.wire["arguments"] = arguments
        outlet.emit("response.mcp_call_arguments.done", **place, arguments=arguments)
        outlet.emit("response.mcp_call.in_progress", item_id=self.item.id, output_index=self.output_index)

    def end(self, outlet: Outlet) -> None:
        failed = self.call.error is not None
        if failed:
            self.item.wire["error"] = dict(self.call.error or {})
        else:
            self.item.wire["output"] = self.call.output
        kind = "failed" if failed else "completed"
        outlet.emit(f"response.mcp_call.{kind}", item_id=self.item.id, output_index=self.output_index)
