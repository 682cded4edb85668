"""Our phone numbers, each answered by one agent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from database.models import Agent, PhoneNumber, new_id
from database.pages import After, Page, newest_first
from database.session import Database


async def add_number(
    session: AsyncSession,
    *,
    number: str,
    agent_id: str,
    twilio_sid: str,
    fallback_url: str | None,
    when_full: str | None = None,
    forward_to: str | None = None,
    previous_webhooks: dict[str, Any],
) -> PhoneNumber:
    """Raises sqlalchemy's IntegrityError when the number is here already."""
    row = PhoneNumber(
        id=new_id("number"),
        number=number,
        agent_id=agent_id,
        twilio_sid=twilio_sid,
        fallback_url=fallback_url,
        when_full=when_full,
        forward_to=forward_to,
        previous_webhooks=previous_webhooks,
    )
    session.add(row)
    await session.flush()
    await session.refresh(row)
    return row


async def find_number(session: AsyncSession, number_id: str, *, lock: bool = False) -> PhoneNumber | None:
    query = select(PhoneNumber).where(PhoneNumber.id == number_id)
    return await session.scalar(query.with_for_update() if lock else query)


async def find_number_by_e164(session: AsyncSession, number: str) -> PhoneNumber | None:
    return await session.scalar(select(PhoneNumber).where(PhoneNumber.number == number))


async def list_numbers(session: AsyncSession, *, limit: int, after: After | None) -> Page[PhoneNumber]:
    return await newest_first(
        session, select(PhoneNumber), PhoneNumber.created_at, PhoneNumber.id, limit=limit, after=after
    )


async def own_numbers(session: AsyncSession) -> Sequence[PhoneNumber]:
    """All of them, oldest first."""
    return (await session.scalars(select(PhoneNumber).order_by(PhoneNumber.created_at, PhoneNumber.id))).all()


async def delete_number(session: AsyncSession, number_id: str) -> None:
    await session.execute(delete(PhoneNumber).where(PhoneNumber.id == number_id))


async def number_and_version(database: Database, number: str) -> tuple[PhoneNumber, int] | None:
    """One of our numbers, and the newest version of the agent that answers it."""
    async with database.session() as session:
        query = (
            select(PhoneNumber, Agent.version)
            .join(Agent, Agent.id == PhoneNumber.agent_id)
            .where(PhoneNumber.number == number)
        )
        row = (await session.execute(query)).one_or_none()
        return None if row is None else (row[0], row[1])


async def numbers_and_versions(database: Database, *, limit: int) -> list[tuple[PhoneNumber, int]]:
    """The newest of our numbers, each with the newest version of its agent."""
    async with database.session() as session:
        query = select(PhoneNumber, Agent.version).join(Agent, Agent.id == PhoneNumber.agent_id)
        rows = await session.execute(query.order_by(PhoneNumber.id.desc()).limit(limit))
        return [(number, version) for number, version in rows]
