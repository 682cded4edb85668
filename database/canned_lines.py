"""Operators' own canned speech: of one agent, or of all that speak a language."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from msgspec import Struct
from sqlalchemy import ColumnElement, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from database.models import CannedLine, new_id

Source = Literal["agent", "language", "built_in"]
ENGLISH = "en"
"""Of agents that have no language of their own."""


class Owner(Struct, frozen=True, kw_only=True):
    """Whose line it is; exactly one of the two. Languages are in lower case."""

    agent_id: str | None = None
    language: str | None = None

    def holds(self) -> ColumnElement[bool]:
        if self.agent_id is not None:
            return CannedLine.agent_id == self.agent_id
        return CannedLine.language == self.language


class ChosenLine(Struct, frozen=True):
    """What an agent says, without its sound."""

    id: str
    """Another one as soon as anything about it changes."""
    source: Source
    text: str
    audio_bytes: int


async def put_line(session: AsyncSession, owner: Owner, name: str, *, text: str, audio: bytes) -> None:
    """In place of one that is there."""
    row = {"id": new_id("line"), "text": text, "audio": audio}
    statement = insert(CannedLine).values(**row, agent_id=owner.agent_id, language=owner.language, line=name)
    column = CannedLine.language if owner.agent_id is None else CannedLine.agent_id
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=[column, CannedLine.line], set_=row | {"created_at": func.now()}
        )
    )


async def find_line(session: AsyncSession, owner: Owner, name: str) -> CannedLine | None:
    return await session.scalar(select(CannedLine).where(owner.holds(), CannedLine.line == name))


async def list_lines(session: AsyncSession, owner: Owner) -> dict[str, ChosenLine]:
    """By name."""
    source: Source = "language" if owner.agent_id is None else "agent"
    rows = await session.execute(_SHOWN.where(owner.holds()))
    return {row.line: ChosenLine(row.id, source, row.text, row.size) for row in rows}


async def delete_line(session: AsyncSession, owner: Owner, name: str) -> bool:
    """False: there was none."""
    gone = delete(CannedLine).where(owner.holds(), CannedLine.line == name).returning(CannedLine.id)
    return await session.scalar(gone) is not None


async def chosen_lines(session: AsyncSession, agent_id: str, language: str | None) -> dict[str, ChosenLine]:
    """By name: the agent's own, else its language's (`pt-BR`, then `pt`). What is left out is built in."""
    spoken = (language or ENGLISH).lower()
    wider = spoken.partition("-")[0]
    chosen = or_(CannedLine.agent_id == agent_id, CannedLine.language == spoken, CannedLine.language == wider)
    rows = await session.execute(_SHOWN.where(chosen))
    best: dict[str, ChosenLine] = {}
    # The best comes last.
    for row in sorted(rows, key=lambda row: (row.agent_id is not None, row.language == spoken)):
        source: Source = "language" if row.agent_id is None else "agent"
        best[row.line] = ChosenLine(row.id, source, row.text, row.size)
    return best


async def sound_of(session: AsyncSession, ids: Collection[str]) -> dict[str, bytes]:
    """Mu-law, by the line's id."""
    rows = await session.execute(select(CannedLine.id, CannedLine.audio).where(CannedLine.id.in_(ids)))
    return {row.id: row.audio for row in rows}


_SHOWN = select(
    CannedLine.id,
    CannedLine.agent_id,
    CannedLine.language,
    CannedLine.line,
    CannedLine.text,
    func.octet_length(CannedLine.audio).label("size"),
)
