"""The schema at `/schema/openapi.json` and the pages beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar._openapi.schema_generation import SchemaCreator
from litestar._openapi.schema_generation.plugins.struct import StructSchemaPlugin
from litestar.openapi import OpenAPIConfig, ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin, YamlRenderPlugin
from litestar.openapi.spec import Components, Example, Schema, SecurityScheme, Tag
from litestar.typing import FieldDefinition
from msgspec import Struct

from api.errors import PROBLEM_JSON, ProblemDetails

DESCRIPTION = """\
Voice agents on your own phone numbers.

Every request bears `Authorization: Bearer <API key>`. Times are RFC 3339 in UTC, ids are opaque.
Unknown fields are refused. Errors are `application/problem+json` (RFC 9457) and say what to do.
Lists take `limit` and `cursor`.
"""
TAGS = [
    Tag(
        "Agents", "What answers and makes the calls. Each change of an agent is a new version, kept for good."
    ),
    Tag("Phone numbers", "Numbers of the Twilio account, each answered by one agent."),
    Tag("Calls", "Placed, followed while they run, read afterwards."),
    Tag("Webhooks", "What happens on calls, sent to your systems, signed, until they have it."),
    Tag("API keys", "Who may do what here."),
    Tag("Guards", "What may be dialled and how much, and what was done with which API key."),
    Tag("Costs", "What OpenAI takes, and what calls have cost."),
]
WHEN = {
    400: "The request is not readable.",
    401: "No API key, or one that does not exist.",
    403: "The API key lacks the scope.",
    404: "There is no such thing.",
    409: "It conflicts with the state of things; the detail says with what.",
    412: "The agent has changed meanwhile: it has another version than `If-Match` says.",
    413: "The body is too large.",
    415: "The body is not what this address takes: `application/json`, or `audio/wav` for sound.",
    416: "The file has no byte in that range.",
    422: "A field is wrong, or Twilio refused; `code` is then Twilio's.",
    428: "`If-Match` is missing.",
    429: "This key asks too often, or its address sent too many wrong ones; see `Retry-After`.",
    502: "Twilio could not be asked.",
    503: "The database is away; try again.",
    504: "The process that holds the call did not take the command in time.",
}


class ClosedStructs(StructSchemaPlugin):
    """Structs that refuse unknown fields say so in the schema."""

    def is_plugin_supported_field(self, field_definition: FieldDefinition) -> bool:
        if not super().is_plugin_supported_field(field_definition):
            return False
        return bool(field_definition.type_.__struct_config__.forbid_unknown_fields)

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: SchemaCreator) -> Schema:
        schema = super().to_openapi_schema(field_definition, schema_creator)
        schema.additional_properties = False
        return schema


PLUGINS = [ClosedStructs()]
"""For the Litestar application."""


def responses(
    status: int,
    answer: type[Struct] | None,
    *problems: int,
    example: Any = None,
    description: str = "Done.",
    body: bool = False,
) -> dict[int, ResponseSpec]:
    """What a route may answer; every one may also say 400, 401, 403, 422, 429, 503. `body`: it reads one."""
    documented = {400, 401, 403, 422, 429, 503, *problems, *((413, 415) if body else ())}
    specs = {
        code: ResponseSpec(
            ProblemDetails, description=WHEN[code], media_type=PROBLEM_JSON, generate_examples=False
        )
        for code in sorted(documented)
    }
    examples: Sequence[Example] | None = (
        None if example is None else [Example(summary="Example", value=example)]
    )
    success = ResponseSpec(answer, description=description, generate_examples=False, examples=examples)  # pyright: ignore[reportArgumentType] (None is how Litestar spells "no body")
    return {status: success, **specs}


def audio_response(*problems: int, description: str) -> dict[int, ResponseSpec]:
    """A route that answers with a WAV file."""
    specs = responses(200, None, *problems)
    specs[200] = ResponseSpec(bytes, description=description, media_type="audio/wav", generate_examples=False)
    return specs


def recording_responses() -> dict[int, ResponseSpec]:
    """A WAV file, or a part of one."""
    specs = audio_response(404, 409, 416, description="All of it.")
    for code, description in ((206, "The range that was asked for."), (304, "It has not changed.")):
        specs[code] = ResponseSpec(
            bytes, description=description, media_type="audio/wav", generate_examples=False
        )
    return specs


def example(value: Any, summary: str = "Example") -> list[Example]:
    return [Example(summary=summary, value=value)]


def openapi_config(version: str, pages: Sequence[OpenAPIRenderPlugin] = ()) -> OpenAPIConfig:
    """`pages` stand beside the schema's JSON and YAML; the first of them is `/schema` itself."""
    return OpenAPIConfig(
        title="Callbridge",
        version=version,
        description=DESCRIPTION,
        tags=TAGS,
        use_handler_docstrings=True,
        components=Components(
            security_schemes={
                "apiKey": SecurityScheme(
                    type="http", scheme="bearer", description="`Authorization: Bearer <API key>`"
                )
            }
        ),
        render_plugins=[*pages, JsonRenderPlugin(), YamlRenderPlugin()],
    )
