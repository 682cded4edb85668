"""The secrets in an agent's tools: encrypted at rest, opened only to be sent to whom they are for."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from bridge.call.tools import FunctionTool, KeptSecret, Tool
from database.secret_box import SecretBox


class NothingToKeep(Exception):
    """`{"set": true}` for a secret that was never set. `field`: where, as in `tools[0].webhook.headers.X`."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


def sealed(tools: Sequence[Tool], *, before: Sequence[Tool], secret_box: SecretBox) -> list[Tool]:
    """As they are stored. `before`: the stored tools whose secrets may be kept. Raises NothingToKeep."""
    kept = {tool.name: tool for tool in before if isinstance(tool, FunctionTool)}

    def seal(index: int, tool: Tool) -> Tool:
        if not isinstance(tool, FunctionTool):
            return tool
        stored = kept[tool.name].webhook.headers if tool.name in kept else {}
        headers: dict[str, str | KeptSecret] = {}
        for name, value in tool.webhook.headers.items():
            if isinstance(value, str):
                headers[name] = secret_box.encrypt(value)
            elif name in stored:
                headers[name] = stored[name]
            else:
                raise NothingToKeep(f"tools[{index}].webhook.headers.{name}")
        return _with_headers(tool, headers)

    return [seal(index, tool) for index, tool in enumerate(tools)]


def shown(tools: Sequence[Tool]) -> list[Tool]:
    """As operators read them."""
    return [
        _with_headers(tool, {name: KeptSecret(set=True) for name in tool.webhook.headers})
        if isinstance(tool, FunctionTool)
        else tool
        for tool in tools
    ]


def opened(tool: FunctionTool, secret_box: SecretBox) -> dict[str, str]:
    """The headers of its requests. Raises UnreadableSecret."""
    stored = tool.webhook.headers.items()
    return {name: secret_box.decrypt(value) for name, value in stored if isinstance(value, str)}


def _with_headers(tool: FunctionTool, headers: dict[str, str | KeptSecret]) -> FunctionTool:
    return replace(tool, webhook=replace(tool.webhook, headers=headers))
