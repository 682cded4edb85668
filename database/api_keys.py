"""API keys: the secret is shown once, its SHA-256 is kept."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections.abc import Sequence

from sqlalchemy import exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from database.models import ApiKey, new_id
from database.pages import After, Page, newest_first

PREFIX = "cb_"
HINT_CHARACTERS = 8
USED_RESOLUTION = dt.timedelta(minutes=1)
"""How exact `last_used_at` is; a row is not written at each request."""


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


async def create_key(session: AsyncSession, *, name: str, scopes: Sequence[str]) -> tuple[ApiKey, str]:
    """The key, and its secret, which is nowhere to be had again."""
    secret = PREFIX + secrets.token_urlsafe(32)
    key = ApiKey(
        id=new_id("key"),
        name=name,
        hint=secret[:HINT_CHARACTERS],
        secret_sha256=digest(secret),
        scopes=list(scopes),
    )
    session.add(key)
    await session.flush()
    await session.refresh(key)
    return key, secret


async def use_key(session: AsyncSession, secret: str) -> ApiKey | None:
    """The key that has this secret and is not revoked; remembers that it was used."""
    key = await session.scalar(
        select(ApiKey).where(ApiKey.secret_sha256 == digest(secret), ApiKey.revoked_at.is_(None))
    )
    if key is not None:
        unremembered = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < func.now() - USED_RESOLUTION)
        await session.execute(
            update(ApiKey).where(ApiKey.id == key.id, unremembered).values(last_used_at=func.now())
        )
    return key


async def list_keys(session: AsyncSession, *, limit: int, after: After | None) -> Page[ApiKey]:
    valid = select(ApiKey).where(ApiKey.revoked_at.is_(None))
    return await newest_first(session, valid, ApiKey.created_at, ApiKey.id, limit=limit, after=after)


async def revoke_key(session: AsyncSession, key_id: str) -> bool:
    """False: there is no such key, or it is revoked already."""
    revoked = await session.scalar(
        update(ApiKey)
        .where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(ApiKey.id)
    )
    return revoked is not None


async def has_admin_key(session: AsyncSession) -> bool:
    valid = exists().where(ApiKey.revoked_at.is_(None), ApiKey.scopes.contains(["admin"]))
    return bool(await session.scalar(select(valid)))
