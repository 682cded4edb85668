"""Agents and their versions. A version is never changed: each change adds one."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Select, delete, exists, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from bridge.call.agent import AgentConfig
from database.models import Agent, AgentVersion, Call, PhoneNumber, new_id
from database.pages import After, Page, newest_first


class StoredAgent(Struct, frozen=True):
    """One version of an agent."""

    id: str
    version: int
    config: AgentConfig
    created_at: dt.datetime
    """Of the agent."""
    updated_at: dt.datetime
    """Of this version."""


class AgentInUse(Exception):
    """Phone numbers are answered by it."""


async def create_agent(session: AsyncSession, config: AgentConfig) -> StoredAgent:
    agent = Agent(id=new_id("agent"), version=1)
    session.add(agent)
    await session.flush()
    return await _add_version(session, agent, config)


async def find_agent(session: AsyncSession, agent_id: str, *, lock: bool = False) -> StoredAgent | None:
    """The newest version; None for one that is deleted. `lock`: it stays the newest in this transaction."""
    if lock:
        await session.execute(select(Agent.id).where(Agent.id == agent_id).with_for_update())
    row = (await session.execute(_newest().where(Agent.id == agent_id))).one_or_none()
    return None if row is None else _stored(row[0], row[1])


async def list_agents(session: AsyncSession, *, limit: int, after: After | None) -> Page[StoredAgent]:
    shown = select(Agent).where(Agent.hidden_at.is_(None))
    page = await newest_first(session, shown, Agent.created_at, Agent.id, limit=limit, after=after)
    ids = [agent.id for agent in page.items]
    rows = (await session.execute(_newest().where(Agent.id.in_(ids)))).all()
    found = {agent.id: _stored(agent, version) for agent, version in rows}
    return Page([found[agent_id] for agent_id in ids if agent_id in found], page.next)


async def change_agent(session: AsyncSession, agent_id: str, config: AgentConfig) -> StoredAgent:
    """Add a version. The agent must have been found with `lock` in this transaction."""
    agent = await session.get_one(Agent, agent_id, populate_existing=True)
    agent.version += 1
    agent.updated_at = func.now()
    await session.flush()
    return await _add_version(session, agent, config)


async def list_versions(
    session: AsyncSession, agent_id: str, *, limit: int, before: int | None
) -> tuple[list[StoredAgent], int | None]:
    """Newest first, older than version `before`; and the `before` of the next page."""
    query = (
        select(Agent, AgentVersion)
        .join(AgentVersion, AgentVersion.agent_id == Agent.id)
        .where(Agent.id == agent_id, Agent.hidden_at.is_(None))
        .order_by(AgentVersion.version.desc())
        .limit(limit + 1)
    )
    if before is not None:
        query = query.where(AgentVersion.version < before)
    rows = (await session.execute(query)).all()
    versions = [_stored(agent, version) for agent, version in rows[:limit]]
    return versions, versions[-1].version if len(rows) > limit else None


async def find_version(session: AsyncSession, agent_id: str, version: int) -> AgentConfig | None:
    found = await session.get(AgentVersion, (agent_id, version))
    return None if found is None else _config(found.config)


async def has_numbers(session: AsyncSession, agent_id: str) -> bool:
    return bool(await session.scalar(select(exists().where(PhoneNumber.agent_id == agent_id))))


async def delete_agent(session: AsyncSession, agent_id: str) -> bool:
    """Hidden and kept when calls refer to it. False: there was none. Raises AgentInUse."""
    agent = await session.scalar(
        select(Agent).where(Agent.id == agent_id, Agent.hidden_at.is_(None)).with_for_update()
    )
    if agent is None:
        return False
    if await has_numbers(session, agent_id):
        raise AgentInUse
    if await session.scalar(select(exists().where(Call.agent_id == agent_id))):
        agent.hidden_at = func.now()
    else:
        await session.execute(delete(Agent).where(Agent.id == agent_id))
    return True


def _newest() -> Select[Agent, AgentVersion]:
    return (
        select(Agent, AgentVersion)
        .join(AgentVersion, (AgentVersion.agent_id == Agent.id) & (AgentVersion.version == Agent.version))
        .where(Agent.hidden_at.is_(None))
        .execution_options(populate_existing=True)
    )


async def _add_version(session: AsyncSession, agent: Agent, config: AgentConfig) -> StoredAgent:
    builtins: dict[str, Any] = msgspec.to_builtins(config)
    await session.execute(
        insert(AgentVersion).values(agent_id=agent.id, version=agent.version, config=builtins)
    )
    await session.refresh(agent)
    return StoredAgent(agent.id, agent.version, config, agent.created_at, agent.updated_at)


def _stored(agent: Agent, version: AgentVersion) -> StoredAgent:
    return StoredAgent(
        agent.id, version.version, _config(version.config), agent.created_at, version.created_at
    )


def _config(stored: dict[str, Any]) -> AgentConfig:
    # A newer release may have written fields that this one does not know; its schema is ours for one release.
    known = set(AgentConfig.__struct_fields__)
    return msgspec.convert({name: stored[name] for name in stored if name in known}, AgentConfig)
