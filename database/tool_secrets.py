"""The secrets in an agent's tools: encrypted at rest, opened only to be sent to whom they are for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from bridge.call.tools import FunctionTool, KeptSecret, McpTool, Tool
from database.secret_box import SecretBox

Secret = str | KeptSecret
_AUTHORIZATION = "authorization"


class NothingToKeep(Exception):
    """`{"set": true}` for a secret that was never set. `field`: where, as in `tools[0].webhook.headers.X`."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


def sealed(tools: Sequence[Tool], *, before: Sequence[Tool], secret_box: SecretBox) -> list[Tool]:
    """As they are stored. `before`: the stored tools whose secrets may be kept. Raises NothingToKeep."""
    kept = {_identity(tool): _secrets(tool) for tool in before}

    def seal(index: int, tool: Tool) -> Tool:
        stored = kept.get(_identity(tool), {})
        closed: dict[str, Secret] = {}
        for field, value in _secrets(tool).items():
            if isinstance(value, str):
                closed[field] = secret_box.encrypt(value)
            elif field in stored:
                closed[field] = stored[field]
            else:
                raise NothingToKeep(f"tools[{index}].{field}")
        return _with_secrets(tool, closed)

    return [seal(index, tool) for index, tool in enumerate(tools)]


def shown(tools: Sequence[Tool]) -> list[Tool]:
    """As operators read them."""
    return [_with_secrets(tool, dict.fromkeys(_secrets(tool), KeptSecret(set=True))) for tool in tools]


def opened(tool: FunctionTool, secret_box: SecretBox) -> dict[str, str]:
    """The headers of its requests. Raises UnreadableSecret."""
    stored = tool.webhook.headers.items()
    return {name: secret_box.decrypt(value) for name, value in stored if isinstance(value, str)}


def opened_mcp(tool: McpTool, secret_box: SecretBox) -> McpTool:
    """As the voice model is to have it. Raises UnreadableSecret."""
    stored = _secrets(tool).items()
    return _with_mcp_secrets(
        tool, {field: secret_box.decrypt(value) for field, value in stored if isinstance(value, str)}
    )


def _identity(tool: Tool) -> tuple[str, str]:
    match tool:
        case FunctionTool():
            return "function", tool.name
        case McpTool():
            return "mcp", tool.server_label
        case _:
            return "", ""


def _secrets(tool: Tool) -> dict[str, Secret]:
    """By where they are in the tool."""
    match tool:
        case FunctionTool():
            return {f"webhook.headers.{name}": value for name, value in tool.webhook.headers.items()}
        case McpTool():
            own: dict[str, Secret] = {f"headers.{name}": value for name, value in tool.headers.items()}
            return own if tool.authorization is None else own | {_AUTHORIZATION: tool.authorization}
        case _:
            return {}


def _with_secrets(tool: Tool, secrets: Mapping[str, Secret]) -> Tool:
    match tool:
        case FunctionTool():
            headers = {name: secrets[f"webhook.headers.{name}"] for name in tool.webhook.headers}
            return replace(tool, webhook=replace(tool.webhook, headers=headers))
        case McpTool():
            return _with_mcp_secrets(tool, secrets)
        case _:
            return tool


def _with_mcp_secrets(tool: McpTool, secrets: Mapping[str, Secret]) -> McpTool:
    headers = {name: secrets[f"headers.{name}"] for name in tool.headers}
    return replace(tool, headers=headers, authorization=secrets.get(_AUTHORIZATION))
