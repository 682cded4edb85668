"""Which process has a call, and which of its media streams counts. Each function is a transaction of its
own."""

from __future__ import annotations

import datetime as dt

from msgspec import Struct
from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from database.call_commands import LET_GO, add_command
from database.call_events import utc_now
from database.calls import LONGEST_CALL_SECONDS, TOKEN_SECONDS, Holder, locked
from database.models import Call
from database.presence import is_there
from database.session import Database

MOST_OFFERS = 3
OFFERS_SECONDS = 30.0
"""Within which so many media streams are asked for that do not work; then the caller hears an apology."""


class HeldElsewhere(Exception):
    """Another process has the call."""


async def attach(database: Database, call_id: str, attach_number: int, *, holder: Holder) -> Call | None:
    """Use a stream token up. None when it was used before, or the call is over.

    Where another process holds the call's model session, it is told in the same transaction to let go."""
    async with database.session.begin() as session:
        call = await locked(session, call_id)
        if call is None or call.ended_at is not None or call.attach_number != attach_number - 1:
            return None
        if call.holder not in {None, holder.name}:
            await add_command(session, call_id, LET_GO, {"attach_number": attach_number, "of": call.holder})
        call.attach_number = attach_number
        call.slot, call.holder = holder.slot, holder.name
        return call


async def offer_stream(
    database: Database,
    call_id: str,
    *,
    token: str = "",
    heir: Holder | None = None,
    held_by: str | None = None,
) -> Call | None:
    """Another media stream for a call that has lost its own: what the TwiML must say is in the row.

    `token` is Twilio's idempotency token: asked again, it is told the same. `heir` has the call from now on
    where the process that had it is gone. `held_by`: raises HeldElsewhere where another one has it. None: the
    call is over, or was offered one too often without its having worked in between."""
    async with database.session.begin() as session:
        call, there = await _locked_with_presence(session, call_id)
        if call is None or call.ended_at is not None or call.ended_reason is not None:
            return None
        if held_by is not None and call.holder != held_by:
            raise HeldElsewhere
        if not offer(call, utc_now(), token):
            return None
        if heir is not None and not there:
            call.slot, call.holder = heir.slot, heir.name
        return call


def offer(call: Call, now: dt.datetime, token: str) -> bool:
    """As `offer_stream`; False: once too often."""
    if token and token == call.after_stream_token:
        return True
    since = call.attach_offered_at
    if since is None or now - since > dt.timedelta(seconds=OFFERS_SECONDS):
        call.attach_offers, call.attach_offered_at = 0, now
    if call.attach_offers >= MOST_OFFERS:
        return False
    call.attach_offers += 1
    call.after_stream_token = token or None
    call.attach_expires_at = now.replace(microsecond=0) + dt.timedelta(seconds=TOKEN_SECONDS)
    return True


async def take_over(database: Database, call_id: str, *, held_by: str | None, heir: Holder) -> Call | None:
    """`heir` has the call from now on, if `held_by` has it still, who gives it away. None: it has not."""
    async with database.session.begin() as session:
        call = await locked(session, call_id)
        if call is None or call.holder != held_by or call.ended_at is not None:
            return None
        call.slot, call.holder = heir.slot, heir.name
        return call


async def take_away(
    database: Database, call_id: str, *, held_by: str | None, heir: Holder, if_gone: bool = False
) -> Call | None:
    """As `take_over`, from one that does not answer: should it be alive, it is told to let go. `if_gone`:
    only if it is not there."""
    async with database.session.begin() as session:
        call, there = await _locked_with_presence(session, call_id)
        if call is None or call.holder != held_by or (if_gone and there):
            return None
        if call.ended_at is not None or call.ended_reason is not None:
            return None
        call.slot, call.holder = heir.slot, heir.name
        await add_command(session, call_id, LET_GO, {"attach_number": call.attach_number + 1, "of": held_by})
        return call


async def _locked_with_presence(session: AsyncSession, call_id: str) -> tuple[Call | None, bool]:
    """The row, until the transaction ends, and whether its holder is there."""
    query = select(Call, is_there(Call.holder)).where(Call.id == call_id).with_for_update(of=Call)
    found = (await session.execute(query)).one_or_none()
    return (None, False) if found is None else (found[0], found[1])


class Orphan(Struct, frozen=True):
    call_id: str
    held_by: str | None


async def orphans(database: Database, *, offered_before: dt.datetime) -> list[Orphan]:
    """Calls that are up, and that no process has: the one that had them is gone. Those to which Twilio was
    told to open a media stream since `offered_before` may yet get it."""
    async with database.session() as session:
        found = await session.execute(
            select(Call.id, Call.holder)
            .where(Call.ended_at.is_(None), Call.ended_reason.is_(None), Call.twilio_call_sid.is_not(None))
            .where(Call.answered_at > utc_now() - dt.timedelta(seconds=LONGEST_CALL_SECONDS))
            .where(Call.attach_expires_at < offered_before + dt.timedelta(seconds=TOKEN_SECONDS))
            .where(or_(Call.transfer.is_(None), Call.transfer["state"].astext == "failed"))
            .where(~is_there(Call.holder))
            .order_by(Call.id)
        )
        return [Orphan(call_id, held_by) for call_id, held_by in found]


async def hold(database: Database, call_id: str, *, holder: Holder) -> str | None:
    """Whoever comes first is to hold the call's model session. Returns who that is; None: no such call."""
    async with database.session.begin() as session:
        call = await locked(session, call_id)
        if call is not None and call.holder is None:
            call.slot, call.holder = holder.slot, holder.name
        return None if call is None else call.holder
