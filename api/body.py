"""Request bodies: strict JSON into structs, with errors that name the field."""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import Any, TypeVar, cast

import msgspec
from litestar._openapi.schema_generation import SchemaCreator
from litestar.connection import ASGIConnection
from litestar.dto import AbstractDTO
from litestar.dto.data_structures import DTOFieldDefinition
from litestar.openapi.spec import Reference, Schema
from litestar.typing import FieldDefinition

from api.errors import FieldError, Problem

T = TypeVar("T")

_WHERE = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)
_NAMED = re.compile(r"^Object (?P<fault>missing required|contains unknown) field `(?P<name>[^`]*)`$")


class JsonBody(AbstractDTO[T]):
    """Litestar reads bodies leniently ("1" is a number to it); ours are read as they stand."""

    def decode_bytes(self, value: bytes) -> T:
        connection = cast("ASGIConnection[Any, Any, Any, Any]", self.asgi_connection)  # pyright: ignore[reportUnknownMemberType] (a bare generic there)
        content_type = connection.headers.get("content-type", "application/json")
        if content_type.partition(";")[0].strip().lower() != "application/json":
            raise Problem(415, "Send the body as application/json.")
        try:
            return msgspec.json.decode(value, type=self.model_type)
        except msgspec.ValidationError as error:
            raise invalid(error) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Problem(400, f"The body is not readable as JSON: {error}.") from error

    @classmethod
    def create_for_field_definition(
        cls, field_definition: FieldDefinition, handler_id: str, backend_cls: Any = None
    ) -> None:
        """Nothing to prepare: the struct itself is what is read."""

    @classmethod
    def create_openapi_schema(
        cls, field_definition: FieldDefinition, handler_id: str, schema_creator: SchemaCreator
    ) -> Reference | Schema:
        return schema_creator.for_field_definition(field_definition)

    @classmethod
    def generate_field_definitions(cls, model_type: type[Any]) -> Generator[DTOFieldDefinition, None, None]:
        yield from ()

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:
        return False


def invalid(error: msgspec.ValidationError) -> Problem:
    """The 422 for what msgspec found, in words for whoever wrote the request."""
    found = _WHERE.match(str(error))
    what, path = (found["what"], found["path"] or "$") if found else (str(error), "$")
    field = path.removeprefix("$").removeprefix(".")
    if named := _NAMED.match(what):
        field = f"{field}.{named['name']}" if field else named["name"]
        what = "is required" if named["fault"] == "missing required" else "is not a field that exists"
    message = what[:1].lower() + what[1:]
    detail = f"{field}: {message}" if field else message
    return Problem(422, detail, errors=[FieldError(field, message)])
