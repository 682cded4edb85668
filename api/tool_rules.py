"""What an agent's tools must be like, beyond their shape; each fault names its field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from api.errors import Problem, bad_field
from bridge.call.agent import AgentConfig
from bridge.call.tools import FunctionTool, KeptSecret, McpTool, Tool, TransferCallTool, tool_name
from database.secret_box import SecretBox
from database.tool_secrets import NothingToKeep, sealed
from outgoing.address_guard import AddressGuard
from outgoing.tool_arguments import why_no_schema

RESERVED_NAMES = frozenset({"end_call", "transfer_call", "send_dtmf", "report_voicemail"})
"""Functions that the agent has, or will have, from us."""
OUR_HEADERS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        "idempotency-key",
        "transfer-encoding",
        "upgrade",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
    }
)
MAX_SECRET_CHARACTERS = 4000
MAX_SCHEMA_CHARACTERS = 20_000


def checked(
    config: AgentConfig, *, before: Sequence[Tool], guard: AddressGuard, secret_box: SecretBox
) -> AgentConfig:
    """With the secrets of its tools as they are stored. `before`: the tools whose secrets may be kept."""
    names: set[str] = set()
    for index, tool in enumerate(config.tools):
        name = tool_name(tool)
        if name in names:
            raise bad_field(f"tools[{index}]", f"there is another tool named {name}")
        names.add(name)
        if isinstance(tool, FunctionTool):
            _check(tool, f"tools[{index}]", guard)
        elif isinstance(tool, McpTool):
            _check_mcp(tool, f"tools[{index}]", guard)
        elif isinstance(tool, TransferCallTool):
            _check_destinations(tool, f"tools[{index}].destinations")
    try:
        tools = sealed(config.tools, before=before, secret_box=secret_box)
    except NothingToKeep as nothing:
        raise _nothing_to_keep(nothing.field) from nothing
    return msgspec.structs.replace(config, tools=tools)


def _nothing_to_keep(field: str) -> Problem:
    return bad_field(field, "there is no secret of this name and tool that could be kept; send its value")


def _check(tool: FunctionTool, field: str, guard: AddressGuard) -> None:
    if tool.name in RESERVED_NAMES:
        raise bad_field(f"{field}.name", f"{tool.name} is a name of Callbridge's own; take another one")
    why = why_no_schema(tool.parameters)
    if why is not None:
        raise bad_field(f"{field}.parameters", why)
    if len(msgspec.json.encode(tool.parameters)) > MAX_SCHEMA_CHARACTERS:
        raise bad_field(f"{field}.parameters", f"is longer than {MAX_SCHEMA_CHARACTERS} characters")
    why = guard.why_refused(tool.webhook.url)
    if why is not None:
        raise bad_field(f"{field}.webhook.url", why)
    _check_headers(tool.webhook.headers, f"{field}.webhook.headers", OUR_HEADERS)


def _check_destinations(tool: TransferCallTool, field: str) -> None:
    names = [destination.name for destination in tool.destinations]
    for index, name in enumerate(names):
        if name != name.strip():
            raise bad_field(f"{field}[{index}].name", "begins or ends with a space")
        if name in names[:index]:
            raise bad_field(f"{field}[{index}].name", f"there is another destination named {name}")


def _check_mcp(tool: McpTool, field: str, guard: AddressGuard) -> None:
    why = guard.why_refused(tool.server_url)
    if why is not None:
        raise bad_field(f"{field}.server_url", why)
    _check_headers(tool.headers, f"{field}.headers", frozenset())
    if tool.authorization is not None:
        _check_length(tool.authorization, f"{field}.authorization")


def _check_headers(headers: Mapping[str, str | KeptSecret], field: str, ours: frozenset[str]) -> None:
    names = [name.lower() for name in headers]
    for name, value in headers.items():
        if name.lower() in ours:
            raise bad_field(f"{field}.{name}", "is set by Callbridge itself; leave it out")
        if names.count(name.lower()) > 1:
            raise bad_field(f"{field}.{name}", "is there twice")
        _check_length(value, f"{field}.{name}")


def _check_length(secret: str | KeptSecret, field: str) -> None:
    if isinstance(secret, str) and len(secret) > MAX_SECRET_CHARACTERS:
        raise bad_field(field, f"is longer than {MAX_SECRET_CHARACTERS} characters")
