"""Request bodies that are sound."""

from __future__ import annotations

from collections.abc import Generator
from typing import Annotated, Any, cast

from litestar._openapi.schema_generation import SchemaCreator
from litestar.connection import ASGIConnection
from litestar.dto import AbstractDTO
from litestar.dto.data_structures import DTOFieldDefinition
from litestar.openapi.spec import OpenAPIFormat, OpenAPIType, Schema
from litestar.params import Body
from litestar.typing import FieldDefinition

from api.errors import Problem
from lines.wav import MAX_SECONDS

WAV = "audio/wav"
WAV_TYPES = frozenset({WAV, "audio/x-wav", "audio/wave", "audio/vnd.wave"})
WavFile = Annotated[bytes, Body(media_type=WAV)]


class WavBody(AbstractDTO[bytes]):
    """The body as it came; what is in it is looked at off the event loop."""

    def decode_bytes(self, value: bytes) -> bytes:
        connection = cast("ASGIConnection[Any, Any, Any, Any]", self.asgi_connection)  # pyright: ignore[reportUnknownMemberType] (a bare generic there)
        content_type = connection.headers.get("content-type", "")
        if content_type.partition(";")[0].strip().lower() not in WAV_TYPES:
            raise Problem(415, f"Send the sound as {WAV}: 8000 Hz, mono, 16-bit PCM or mu-law.")
        return value

    @classmethod
    def create_for_field_definition(
        cls, field_definition: FieldDefinition, handler_id: str, backend_cls: Any = None
    ) -> None:
        """Nothing to prepare."""

    @classmethod
    def create_openapi_schema(
        cls, field_definition: FieldDefinition, handler_id: str, schema_creator: SchemaCreator
    ) -> Schema:
        description = f"8000 Hz, mono, 16-bit PCM or mu-law, at most {MAX_SECONDS} s."
        return Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY, description=description)

    @classmethod
    def generate_field_definitions(cls, model_type: type[Any]) -> Generator[DTOFieldDefinition, None, None]:
        yield from ()

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:
        return False
