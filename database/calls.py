"""The life of a call's row, from its creation to its end. Each function that is not given a session is a
transaction of its own."""

from __future__ import annotations

import datetime as dt
from hashlib import sha256
from typing import Any

from msgspec import Struct
from sqlalchemy import or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from bridge.call.ending import EndReason
from bridge.call.transfer import read_transfer
from database.call_events import add_event, announce, utc_now
from database.models import (
    FINAL_STATUSES,
    Call,
    PhoneNumber,
    new_id,
)
from database.recordings import left_unfinished
from database.session import Database
from database.twilio_prices import first_asked

TOKEN_SECONDS = 60
"""How long the TwiML that we return may be used to attach a media stream."""


LONGEST_CALL_SECONDS = 2 * 14_400 + 900
"""Four hours with an agent, then four with whom it was connected to: https://www.twilio.com/docs/voice/twiml/dial"""
LONGEST_QUEUE_SECONDS = 25 * 3600
"""Twilio keeps a dialled call queued for up to a day."""

REASON_OF_STATUS = {
    "completed": EndReason.CALLER_HUNG_UP,
    "busy": EndReason.NOT_ANSWERED,
    "no-answer": EndReason.NOT_ANSWERED,
    "failed": EndReason.DIAL_FAILED,
    "canceled": EndReason.CANCELED,
}
"""Why a call ended, where nobody of ours has said so before Twilio did."""

_OFFSETS = text("""
    update call_events
    set offset_ms = round(extract(epoch from at - cast(:answered_at as timestamptz)) * 1000)
    where call_id = :call_id
""")


class Holder(Struct, frozen=True):
    """A process, as calls know it."""

    name: str
    """No other one ever has it."""
    slot: str
    """In the addresses that Twilio is given; after a restart the same."""


def inbound_call_id(call_sid: str) -> str:
    """The same for whichever process is asked, whether it can ask Postgres or not."""
    return f"call_{sha256(call_sid.encode()).hexdigest()[:32]}"


async def create_inbound(
    database: Database,
    *,
    call_sid: str,
    from_: str,
    to: str,
    number: PhoneNumber,
    agent_version: int,
    holder: Holder,
) -> Call:
    """The call's row; the same one again when Twilio repeats its webhook."""
    async with database.session.begin() as session:
        values = {
            "id": inbound_call_id(call_sid),
            "direction": "inbound",
            "status": "ringing",
            "agent_id": number.agent_id,
            "agent_version": agent_version,
            "phone_number_id": number.id,
            "from_": from_,
            "to": to,
            "twilio_call_sid": call_sid,
            "slot": holder.slot,
            "holder": holder.name,
        }
        made = insert(Call).values(values).on_conflict_do_nothing(index_elements=[Call.twilio_call_sid])
        call = await session.scalar(made.returning(Call))
        if call is None:
            found = await session.scalars(select(Call).where(Call.twilio_call_sid == call_sid))
            return found.one()
        await add_event(session, call, "call.created", {"direction": "inbound"})
        return call


async def create_outbound(
    session: AsyncSession,
    *,
    agent_id: str,
    agent_version: int,
    phone_number_id: str | None,
    from_: str,
    to: str,
    variables: dict[str, Any],
    metadata: dict[str, Any],
    max_call_seconds: int | None = None,
) -> Call:
    """A call that is to be dialled; `queued` until Twilio says otherwise."""
    call = Call(
        id=new_id("call"),
        direction="outbound",
        status="queued",
        agent_id=agent_id,
        agent_version=agent_version,
        phone_number_id=phone_number_id,
        from_=from_,
        to=to,
        variables=variables,
        metadata_=metadata,
        max_call_seconds=max_call_seconds,
    )
    session.add(call)
    await session.flush()
    await add_event(session, call, "call.created", {"direction": "outbound"})
    await session.refresh(call)
    return call


async def by_id(database: Database, call_id: str) -> Call | None:
    async with database.session() as session:
        return await session.get(Call, call_id)


async def by_call_sid(database: Database, call_sid: str) -> Call | None:
    async with database.session() as session:
        return await session.scalar(select(Call).where(Call.twilio_call_sid == call_sid))


async def mark_dialled(database: Database, call_id: str, call_sid: str) -> None:
    """Twilio took the call; a callback may have told us so already."""
    async with database.session.begin() as session:
        await session.execute(
            update(Call)
            .where(Call.id == call_id, Call.twilio_call_sid.is_(None))
            .values(twilio_call_sid=call_sid)
        )


async def take_status(
    database: Database,
    call_id: str,
    status: str,
    sequence: int | None,
    *,
    call_sid: str | None = None,
) -> Call | None:
    """Take in a status callback. Returns the call, or None when it tells nothing new.

    Twilio's callbacks may come out of order or twice: an older `sequence` changes nothing, nor does anything
    that
    follows a final status. A number's own callbacks have no sequence and only a final status.
    """
    async with database.session.begin() as session:
        call = await locked(session, call_id)
        if call is None or call.ended_at is not None:
            return None
        if call_sid is not None and call.twilio_call_sid is None:
            call.twilio_call_sid = call_sid
        if status in FINAL_STATUSES:
            await _end(session, call, status, REASON_OF_STATUS[status], None)
            call.twilio_checked_at = call.ended_at
            return call
        if sequence is None or sequence <= call.status_sequence:
            return None
        call.status_sequence = sequence
        if call.answered_at is None:
            call.status = status
            if status == "ringing":
                await add_event(session, call, "call.ringing", {})
        return call


async def answer(database: Database, call_id: str, *, holder: Holder) -> Call | None:
    """The TwiML that answers the call is about to be returned: what it must say is in the row.

    `attach_expires_at` and `slot` stay what they are while the token is good, so that a repeated webhook
    gets the same
    TwiML. None: there is no such call.
    """
    async with database.session.begin() as session:
        call = await locked(session, call_id)
        if call is None or call.ended_at is not None:
            return call
        now = utc_now()
        if call.attach_expires_at is None or call.attach_expires_at <= now:
            call.attach_expires_at = now.replace(microsecond=0) + dt.timedelta(seconds=TOKEN_SECONDS)
        if call.holder is None:
            call.slot, call.holder = holder.slot, holder.name
        if call.answered_at is None:
            call.answered_at = now
            call.status = "in-progress"
            await _set_offsets_right(session, call.id, now)
            await add_event(session, call, "call.answered", {}, at=now)
        return call


async def answered_by(database: Database, call_id: str, who: str) -> None:
    """In Twilio's words; what was said first stands until the call itself knows better."""
    async with database.session.begin() as session:
        await session.execute(
            update(Call).where(Call.id == call_id, Call.answered_by.is_(None)).values(answered_by=who)
        )


async def commit_reason(
    database: Database,
    call_id: str,
    reason: EndReason,
    error: dict[str, Any] | None = None,
) -> EndReason | None:
    """Say why the call is ending while it is still up. The first reason stands, and is returned."""
    async with database.session.begin() as session:
        call = await locked(session, call_id)
        if call is None:
            return None
        call.ended_reason = call.ended_reason or str(reason)
        call.error = call.error or error
        return EndReason(call.ended_reason)


async def finish(
    database: Database,
    call_id: str,
    *,
    status: str,
    reason: EndReason,
    error: dict[str, Any] | None = None,
    held_by: str | None = None,
) -> bool:
    """The call is over. Returns whether it was not before; a reason committed earlier stands.

    `held_by`: nothing is changed where another process has the call by now."""
    async with database.session.begin() as session:
        call = await locked(session, call_id)
        if call is None or call.ended_at is not None:
            return False
        if held_by is not None and call.holder not in {None, held_by}:
            return False
        await _end(session, call, status, reason, error)
        return True


async def fail_unclaimed(database: Database, *, older_than_s: float) -> list[str]:
    """Calls of which we never learnt whether Twilio took them: failed, and hung up if somebody picks up
    late."""
    before = utc_now() - dt.timedelta(seconds=older_than_s)
    async with database.session.begin() as session:
        query = (
            select(Call)
            .where(
                Call.ended_at.is_(None),
                Call.status == "queued",
                Call.twilio_call_sid.is_(None),
            )
            .where(Call.created_at < before)
            .order_by(Call.id)
            .with_for_update(skip_locked=True)
        )
        unclaimed = (await session.scalars(query)).all()
        for call in unclaimed:
            await _end(session, call, "failed", EndReason.DIAL_FAILED, None)
        return [call.id for call in unclaimed]


async def finish_forgotten(database: Database) -> list[str]:
    """Calls whose process was lost, and of whose end Twilio's callback never told: they were
    up for longer than any call can be."""
    before = utc_now() - dt.timedelta(seconds=LONGEST_CALL_SECONDS)
    unanswered_before = utc_now() - dt.timedelta(seconds=LONGEST_QUEUE_SECONDS)
    async with database.session.begin() as session:
        query = (
            select(Call)
            .where(Call.ended_at.is_(None))
            .where(
                or_(
                    Call.answered_at < before,
                    Call.answered_at.is_(None) & (Call.created_at < unanswered_before),
                )
            )
            .order_by(Call.id)
            .with_for_update(skip_locked=True)
        )
        forgotten = (await session.scalars(query)).all()
        for call in forgotten:
            lost = call.answered_at is not None
            reason = EndReason.PROCESS_LOST if lost else EndReason.DIAL_FAILED
            await _end(session, call, "completed" if lost else "failed", reason, None)
        return [call.id for call in forgotten]


async def locked(session: AsyncSession, call_id: str) -> Call | None:
    """The row, until the transaction ends."""
    return await session.scalar(select(Call).where(Call.id == call_id).with_for_update())


async def _end(
    session: AsyncSession,
    call: Call,
    status: str,
    reason: EndReason,
    error: dict[str, Any] | None,
) -> None:
    now = utc_now()
    call.status = status
    call.ended_at = now
    transfer = read_transfer(call.transfer)
    if transfer is not None and transfer.reached:
        reason = EndReason.TRANSFERRED
    call.ended_reason = call.ended_reason or str(reason)
    call.error = call.error or error
    call.price_due_at = first_asked(now)
    await session.flush()
    if await left_unfinished(session, call.id):
        await add_event(session, call, "recording.ready", {})
    ending = {"status": status, "ended_reason": call.ended_reason}
    await add_event(session, call, "call.ended", ending)


async def _set_offsets_right(session: AsyncSession, call_id: str, answered_at: dt.datetime) -> None:
    """Events before the answer could not know when it would be."""
    await session.execute(_OFFSETS, {"call_id": call_id, "answered_at": answered_at})
    await announce(session, call_id)
