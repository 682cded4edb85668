"""Which process has a call, and which of its media streams counts. Each function is a transaction of its
own."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import or_, select

from database.call_commands import LET_GO, add_command
from database.call_events import utc_now
from database.calls import LONGEST_CALL_SECONDS, TOKEN_SECONDS, Holder, locked
from database.models import Call
from database.session import Database

MOST_OFFERS = 3
OFFERS_SECONDS = 30.0
"""Within which so many media streams are asked for that do not work; then the caller hears an apology."""


async def attach(database: Database, call_id: str, attach_number: int, *, holder: Holder) -> Call | None:
    """Use a stream token up. None when it was used before, or the call is over.

    Where another process holds the call's model session, it is told in the same transaction to let go."""
    async with database.session.begin() as session:
        call = await locked(session, call_id)
        if call is None or call.ended_at is not None or call.attach_number != attach_number - 1:
            return None
        if call.holder not in {None, holder.name}:
            await add_command(session, call_id, LET_GO, {"attach_number": attach_number})
        call.attach_number = attach_number
        call.slot, call.holder = holder.slot, holder.name
        return call


async def offer_stream(database: Database, call_id: str, *, token: str = "") -> Call | None:
    """Another media stream for a call that has lost its own: what the TwiML must say is in the row.

    `token` is Twilio's idempotency token: asked again, it is told the same. None: the call is over, or was
    offered one too often without its having worked in between."""
    async with database.session.begin() as session:
        call = await locked(session, call_id)
        if call is None or call.ended_at is not None or call.ended_reason is not None:
            return None
        return call if offer(call, utc_now(), token) else None


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


async def take_over(database: Database, call_id: str, *, holder: Holder) -> Call | None:
    """This process has the call from now on: the one that had it is gone, or gives it away."""
    async with database.session.begin() as session:
        call = await locked(session, call_id)
        if call is not None:
            call.slot, call.holder = holder.slot, holder.name
        return call


async def held_by_predecessors(database: Database, holder: Holder) -> list[str]:
    """Calls that are up and were held by another process of the same slot: it is gone, unless it is one of
    another machine."""
    async with database.session() as session:
        found = await session.scalars(
            select(Call.id)
            .where(Call.ended_at.is_(None), Call.ended_reason.is_(None), Call.answered_at.is_not(None))
            .where(Call.slot == holder.slot, Call.holder != holder.name)
            .where(or_(Call.transfer.is_(None), Call.transfer["state"].astext == "failed"))
            .where(Call.answered_at > utc_now() - dt.timedelta(seconds=LONGEST_CALL_SECONDS))
            .order_by(Call.id)
        )
        return list(found)


async def hold(database: Database, call_id: str, *, holder: Holder) -> str | None:
    """Whoever comes first is to hold the call's model session. Returns who that is; None: no such call."""
    async with database.session.begin() as session:
        call = await locked(session, call_id)
        if call is not None and call.holder is None:
            call.slot, call.holder = holder.slot, holder.name
        return None if call is None else call.holder
