"""`?limit=&cursor=` in, `{"items", "next_cursor"}` out."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, TypeVar

import msgspec
from litestar.params import QueryParameter
from msgspec import Meta

from api.errors import bad_field

Place = TypeVar("Place")

Limit = Annotated[int, QueryParameter(name="limit", ge=1, le=100, description="How many items at most.")]
Cursor = Annotated[
    str | None,
    QueryParameter(name="cursor", max_length=500, description="`next_cursor` of the page before."),
]


NextCursor = Annotated[str, Meta(description="For the next page; null: this is the last.")] | None


def encode_cursor(place: object | None) -> str | None:
    if place is None:
        return None
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def decode_cursor(cursor: str | None, place: type[Place]) -> Place | None:
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        return msgspec.json.decode(
            base64.b64decode(padded.encode(), altchars=b"-_", validate=True), type=place
        )
    except (binascii.Error, msgspec.DecodeError, ValueError) as error:
        raise bad_field("cursor", "is not one that this list gave; start again without it") from error
