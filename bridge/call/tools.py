"""What an agent can do besides talking, as the operator writes it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct


class EndCallTool(Struct, tag_field="type", tag="end_call", kw_only=True, forbid_unknown_fields=True):
    """Lets the agent hang up once its goodbye has been heard."""


class SendDtmfTool(Struct, tag_field="type", tag="send_dtmf", kw_only=True, forbid_unknown_fields=True):
    """Lets the agent press keys, as tones: menus, extensions, codes."""


class KeptSecret(Struct, kw_only=True, forbid_unknown_fields=True):
    """A secret that is set and never shown. Sent back, it stays as it is."""

    set: Literal[True]


HeaderName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")]
HeaderValue = Annotated[str, Meta(min_length=1, max_length=8192, pattern=r"^[!-~]([\t -~]*[!-~])?$")]
"""At rest it is longer: encrypted."""


class ToolWebhook(Struct, kw_only=True, forbid_unknown_fields=True):
    """Your address that does the work."""

    url: Annotated[
        str,
        Meta(min_length=1, max_length=2000, description="https, and on the public internet."),
    ]
    method: Annotated[
        Literal["GET", "POST", "PUT", "PATCH", "DELETE"],
        Meta(description="With GET the arguments are the query; otherwise the body is JSON."),
    ] = "POST"
    headers: Annotated[
        dict[HeaderName, HeaderValue | KeptSecret],
        Meta(max_length=20, description='Secret: encrypted, and read back as `{"set": true}`.'),
    ] = msgspec.field(default_factory=dict[str, "str | KeptSecret"])
    timeout_seconds: Annotated[
        float, Meta(ge=1, le=60, description="For the answer, repeated requests included.")
    ] = 10
    safe_to_retry: Annotated[
        bool,
        Meta(
            description="The same request may come twice without harm, so it is sent again when nobody was"
            " reached or the answer was 5xx. A GET always is."
        ),
    ] = False


class FunctionTool(Struct, tag_field="type", tag="function", kw_only=True, forbid_unknown_fields=True):
    """A function of yours, behind a webhook, that the agent calls when it sees fit."""

    name: Annotated[
        str,
        Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}$", description="By which the model calls it; one of a kind."),
    ]
    webhook: ToolWebhook
    description: Annotated[
        str, Meta(max_length=4000, description="For the model: what it does, and when to use it.")
    ] = ""
    parameters: Annotated[
        dict[str, Any],
        Meta(description="JSON Schema of an object; arguments that do not fit are never sent to you."),
    ] = msgspec.field(default_factory=lambda: dict(NO_PARAMETERS))
    say_while_running: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=500,
                description="Said, word for word, when the tool has kept the caller waiting for a second.",
            ),
        ]
        | None
    ) = None


E164 = r"^\+[1-9][0-9]{6,14}$"
SIP = r"^sips?:[A-Za-z0-9_.+-]{1,64}@[A-Za-z0-9.-]{1,200}(:[0-9]{1,5})?$"


class Destination(Struct, kw_only=True, forbid_unknown_fields=True):
    """Somebody whom the agent may put callers through to. The model is told name and description only."""

    name: Annotated[
        str,
        Meta(min_length=1, max_length=64, description="By which the agent knows it, such as `Front desk`."),
    ]
    to: Annotated[
        str,
        Meta(
            pattern=f"({E164})|({SIP})",
            description="E.164, and allowed by the guards; or a SIP address, such as `sip:desk@pbx.example`.",
        ),
    ]
    description: Annotated[
        str, Meta(max_length=500, description="For the model: who that is, and when to put callers through.")
    ] = ""
    caller_id: (
        Annotated[
            str,
            Meta(
                pattern=E164,
                description="Whose number is shown there: one of the Twilio account's, or verified with it."
                " `null`: the caller's own.",
            ),
        ]
        | None
    ) = None
    whisper: (
        Annotated[
            str,
            Meta(min_length=1, max_length=500, description="Said to whoever picks up, before the caller."),
        ]
        | None
    ) = None
    timeout_seconds: Annotated[
        int, Meta(ge=5, le=120, description="How long it rings; then the caller is back with the agent.")
    ] = 30


class TransferCallTool(
    Struct, tag_field="type", tag="transfer_call", kw_only=True, forbid_unknown_fields=True
):
    """Lets the agent put the caller through to somebody of this list, and to nobody else."""

    destinations: Annotated[list[Destination], Meta(min_length=1, max_length=50)]


ToolName = Annotated[str, Meta(min_length=1, max_length=200)]


class AllowedTools(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    tool_names: Annotated[list[ToolName], Meta(max_length=100)] | None = None
    read_only: Annotated[bool, Meta(description="Only tools that the server marks as read-only.")] | None = (
        None
    )


class McpTool(Struct, tag_field="type", tag="mcp", kw_only=True, forbid_unknown_fields=True):
    """A Model Context Protocol server whose tools the voice model uses by itself. OpenAI's shape."""

    server_label: Annotated[
        str,
        Meta(pattern=r"^[a-zA-Z][a-zA-Z0-9_-]{0,63}$", description="Its name in events; one of a kind."),
    ]
    server_url: Annotated[
        str,
        Meta(
            min_length=1, max_length=2000, description="https, and on the public internet: OpenAI calls it."
        ),
    ]
    server_description: (
        Annotated[str, Meta(min_length=1, max_length=4000, description="For the model: what is there.")]
        | None
    ) = None
    authorization: (
        Annotated[
            HeaderValue | KeptSecret,
            Meta(description='An access token. Secret: encrypted, and read back as `{"set": true}`.'),
        ]
        | None
    ) = None
    headers: Annotated[
        dict[HeaderName, HeaderValue | KeptSecret],
        Meta(max_length=20, description="Sent to the server; secret, too."),
    ] = msgspec.field(default_factory=dict[str, "str | KeptSecret"])
    allowed_tools: (
        Annotated[
            Annotated[list[ToolName], Meta(max_length=100)] | AllowedTools,
            Meta(description="`null`: all that the server has."),
        ]
        | None
    ) = None
    require_approval: Annotated[
        Literal["never"], Meta(description="Nobody could be asked in the middle of a call.")
    ] = "never"


NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
Tool = EndCallTool | FunctionTool | TransferCallTool | McpTool | SendDtmfTool


def tool_name(tool: Tool) -> str:
    """One of a kind among an agent's tools."""
    match tool:
        case FunctionTool():
            return tool.name
        case McpTool():
            return tool.server_label
        case EndCallTool():
            return "end_call"
        case TransferCallTool():
            return "transfer_call"
        case SendDtmfTool():
            return "send_dtmf"
