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
    with locked as (
        select id, attach_number, holder, content_erased_at is not null as erased
        from calls where id = any(:ids) order by id for update
    )
    select wanted.id, locked.id is not null, attach_number, holder, erased
    from unnest(cast(:ids as text[])) as wanted (id) left join locked using (id)
    where locked.id is null or erased or holder is distinct from :holder
""")


class _Call(Struct, frozen=True):
    attach_number: int
    holder: str | None
    erased: bool


class Fence:
    """Of one writer, about calls that are locked. Nearly always all of them are its own, there and whole;
    `special` has those that are not, None for one that is not there any more."""

    def __init__(self, holder: str, special: dict[str, _Call | None]) -> None:
        self._holder = holder
        self.special = special

    def is_there(self, call_id: str) -> bool:
        return self.special.get(call_id, self) is not None

    def erased(self, call_id: str) -> bool:
        """What was said is not to come back."""
        call = self.special.get(call_id)
        return call is not None and call.erased

    def superseded(self, call_id: str, attach_number: int) -> int | None:
        """The attach number that the call has now, if another process than this one has attached since. Its
        own later stream takes nothing from what it has yet to write of the one before. A writer without a
        name is not refused."""
        call = self.special.get(call_id)
        if call is None or self._holder in {"", call.holder} or attach_number >= call.attach_number:
            return None
        return call.attach_number

    def may_end(self, call_id: str, attach_number: int) -> bool:
        """Whether this one may say why the call ends: not once another process has taken it over, even if its
        media stream has not come there yet. What the one that lost it takes for a caller who hangs up is the
        old stream's end."""
        call = self.special.get(call_id)
        if call is None or call.holder is None or self._holder in {"", call.holder}:
            return True
        return attach_number > call.attach_number


async def lock(session: AsyncSession, call_ids: Collection[str], holder: str) -> Fence:
    """Locks those that there are, in the order of their ids."""
    rows = await session.execute(_LOCK, {"ids": sorted(call_ids), "holder": holder})
    return Fence(
        holder,
        {
            id_: _Call(attach_number, held_by, erased) if there else None
            for id_, there, attach_number, held_by, erased in rows
        },
    )
