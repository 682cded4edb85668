"""The audit log: `/v1/audit-log`, and how handlers write to it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from litestar import Controller, get
from litestar.params import QueryParameter
from msgspec import Meta, Struct
from sqlalchemy.ext.asyncio import AsyncSession

from api import examples
from api.auth import SECURITY, Caller, needs
from api.given import TheDatabase
from api.openapi import responses
from api.pagination import Cursor, Limit, NextCursor, decode_cursor, encode_cursor
from database import audit_log
from database.pages import After

Action = Literal[
    "agent.created",
    "agent.changed",
    "agent.restored",
    "agent.deleted",
    "line.changed",
    "line.deleted",
    "number.added",
    "number.changed",
    "number.deleted",
    "tool.tested",
    "call.placed",
    "call.hung_up",
    "call.transferred",
    "call.said",
    "call.erased",
    "recording.read",
    "key.created",
    "key.deleted",
    "webhook.created",
    "webhook.deleted",
    "webhook.redelivered",
    "prices.changed",
    "guards.changed",
]


class AuditEntry(Struct, kw_only=True):
    """Something that was done with an API key."""

    id: str
    at: dt.datetime
    api_key_id: Annotated[str, Meta(description="`admin`: the key in the setting `ADMIN_API_KEY`.")]
    api_key_hint: Annotated[str, Meta(description="How the key begins.")]
    action: Action
    object_id: Annotated[str, Meta(description="What it was done to.")] | None
    fields: Annotated[list[str], Meta(description="What was changed; names, never values.")]


class AuditPage(Struct, frozen=True):
    """Some entries, newest first."""

    items: list[AuditEntry]
    next_cursor: NextCursor


class AuditController(Controller):
    path = "/v1/audit-log"
    tags = ["Guards"]  # noqa: RUF012 (Litestar's own way to say it)
    security = SECURITY

    @get(
        operation_id="listAuditLog",
        summary="List what was done with API keys",
        guards=[needs("admin")],
        responses=responses(200, AuditPage, example=examples.AUDIT_LOG, description="Newest first."),
    )
    async def list(
        self,
        *,
        database: TheDatabase,
        limit: Limit = 50,
        cursor: Cursor = None,
        action: Annotated[Action | None, QueryParameter(name="action")] = None,
        object_id: Annotated[str | None, QueryParameter(name="object_id")] = None,
    ) -> AuditPage:
        after = decode_cursor(cursor, After)
        async with database.session() as session:
            page = await audit_log.list_entries(
                session, action=action, object_id=object_id, limit=limit, after=after
            )
        items = [msgspec.convert(row, AuditEntry, from_attributes=True) for row in page.items]
        return AuditPage(items, encode_cursor(page.next))


async def note(
    session: AsyncSession, who: Caller, action: Action, object_id: str | None, fields: Sequence[str] = ()
) -> None:
    """In the transaction that does it."""
    await audit_log.add_entry(
        session,
        api_key_id=who.key_id,
        api_key_hint=who.key_hint,
        action=action,
        object_id=object_id,
        fields=fields,
    )


def differing(before: Struct, after: Struct) -> list[str]:
    """The names of the fields in which two of a kind differ."""
    return [name for name in after.__struct_fields__ if getattr(before, name) != getattr(after, name)]
