"""API keys: `/v1/api-keys`."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from litestar import Controller, Request, delete, get, post
from litestar.params import Body, FromPath
from msgspec import Meta, Struct

from api import examples
from api.audit import note
from api.auth import SECURITY, Caller, Scope, needs
from api.body import JsonBody
from api.errors import not_found
from api.given import TheDatabase
from api.openapi import example, responses
from api.pagination import Cursor, Limit, NextCursor, decode_cursor, encode_cursor
from database import api_keys
from database.models import ApiKey as ApiKeyRow
from database.pages import After


class NewApiKey(Struct, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=100, description="For telling keys apart.")]
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=10, description="`admin` holds all others.")]


class ApiKey(Struct, kw_only=True):
    id: str
    name: str
    scopes: list[str]
    hint: Annotated[str, Meta(description="The secret's first characters.")]
    created_at: dt.datetime
    last_used_at: Annotated[dt.datetime, Meta(description="To the minute.")] | None


class ApiKeyWithSecret(ApiKey, kw_only=True):
    secret: Annotated[str, Meta(description="The key itself. Shown this once; only its hash is kept.")]


class ApiKeyPage(Struct, frozen=True):
    """Some API keys, newest first."""

    items: list[ApiKey]
    next_cursor: NextCursor


class ApiKeyController(Controller):
    path = "/v1/api-keys"
    tags = ["API keys"]  # noqa: RUF012 (Litestar's own way to say it)
    security = SECURITY
    guards = [needs("admin")]  # noqa: RUF012 (as above)

    @post(
        operation_id="createApiKey",
        summary="Make an API key",
        dto=JsonBody[NewApiKey],
        return_dto=None,
        responses=responses(
            201,
            ApiKeyWithSecret,
            body=True,
            example=examples.KEY_WITH_SECRET,
            description="The key and its secret.",
        ),
    )
    async def create(
        self,
        request: Request[Any, Caller, Any],
        data: Annotated[NewApiKey, Body(examples=example(examples.NEW_KEY))],
        database: TheDatabase,
    ) -> ApiKeyWithSecret:
        async with database.session.begin() as session:
            row, secret = await api_keys.create_key(
                session, name=data.name, scopes=list(dict.fromkeys(data.scopes))
            )
            await note(session, request.auth, "key.created", row.id)
        return ApiKeyWithSecret(
            id=row.id,
            name=row.name,
            scopes=row.scopes,
            hint=row.hint,
            created_at=row.created_at,
            last_used_at=None,
            secret=secret,
        )

    @get(
        operation_id="listApiKeys",
        summary="List API keys",
        responses=responses(200, ApiKeyPage, description="Newest first."),
    )
    async def list(self, database: TheDatabase, limit: Limit = 50, cursor: Cursor = None) -> ApiKeyPage:
        async with database.session() as session:
            page = await api_keys.list_keys(session, limit=limit, after=decode_cursor(cursor, After))
        return ApiKeyPage([_shown(row) for row in page.items], encode_cursor(page.next))

    @delete(
        "/{key_id:str}",
        operation_id="deleteApiKey",
        summary="Delete an API key",
        responses=responses(204, None, 404),
    )
    async def remove(
        self, request: Request[Any, Caller, Any], key_id: FromPath[str], database: TheDatabase
    ) -> None:
        """It opens nothing from this moment on."""
        async with database.session.begin() as session:
            if not await api_keys.revoke_key(session, key_id):
                raise not_found("API key", key_id)
            await note(session, request.auth, "key.deleted", key_id)


def _shown(row: ApiKeyRow) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        scopes=row.scopes,
        hint=row.hint,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
    )
