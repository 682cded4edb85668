"""Who may still write for a call: the process that attached to its media stream last.

Two processes may both believe that a call is theirs, for a moment, when one of them had been given up for
lost. Each attach raises the call's `attach_number`, and what is written names the number that it knows.
"""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_LOCK = text("""
    select id, attach_number, holder, content_erased_at is not null as erased
    from calls where id = any(:ids) order by id for update
""")


class LockedCall(Struct, frozen=True):
    attach_number: int
    holder: str | None
    erased: bool
    """What was said is not to come back."""

    def superseded(self, attach_number: int, holder: str) -> bool:
        """Whether another process than `holder` has attached since. Its own later stream takes nothing from
        what it has yet to write of the one before. A writer without a name is not refused."""
        return holder not in {"", self.holder} and attach_number < self.attach_number

    def ended_by(self, attach_number: int, holder: str) -> bool:
        """Whether `holder` may say why the call ends: not once another process has taken it over, even if its
        media stream has not come there yet. What the one that lost it takes for a caller who hangs up is the
        old stream's end."""
        return holder in {"", self.holder} or self.holder is None or attach_number > self.attach_number


async def lock(session: AsyncSession, call_ids: Collection[str]) -> dict[str, LockedCall]:
    """Those that there are, locked in the order of their ids."""
    rows = await session.execute(_LOCK, {"ids": sorted(call_ids)})
    return {id_: LockedCall(attach_number, holder, erased) for id_, attach_number, holder, erased in rows}
