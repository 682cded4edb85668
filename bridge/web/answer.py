"""The TwiML with which a call is answered."""

from __future__ import annotations

from bridge.call.ending import APOLOGISE, EndReason
from bridge.runtime.live_calls import LiveCalls
from bridge.runtime.snapshot import agent_of
from bridge.runtime.streams import Streams
from database import call_commands, calls
from database.call_events import utc_now
from database.models import Call, PhoneNumber
from database.session import Database
from telephony import twiml


async def answer_call(
    call: Call,
    number: PhoneNumber | None,
    *,
    database: Database,
    live_calls: LiveCalls,
    streams: Streams,
) -> str:
    """Idempotent: a repeated webhook gets the same document, whichever process answers it."""
    if call.ended_at is not None:
        return twiml.hang_up()
    if call.ended_reason is not None:
        return await already_ending(database, call, number)
    if not await live_calls.placing.find(call):
        await calls.answer(database, call.id, holder=live_calls.holder)
        await calls.commit_reason(database, call.id, EndReason.OVERLOADED)
        return when_full(number)
    answered = await calls.answer(database, call.id, holder=live_calls.holder)
    if answered is None or answered.ended_at is not None:
        await live_calls.over(call.id)
        return twiml.hang_up()
    await tell_holder(answered, database, live_calls)
    return streams.document(answered)


async def tell_holder(call: Call, database: Database, live_calls: LiveCalls) -> None:
    """The call is answered as of now; its model session may be with another process."""
    at = call.answered_at or utc_now()
    if not live_calls.answered(call.id, at) and call.holder != live_calls.holder.name:
        await call_commands.tell(database, call.id, call_commands.ANSWERED, {"at": at.isoformat()})


async def already_ending(database: Database, call: Call, number: PhoneNumber | None) -> str:
    """The reason was committed before the call was answered, or the answer is asked for again."""
    reason = EndReason(call.ended_reason or EndReason.INTERNAL_ERROR)
    if reason is EndReason.OVERLOADED:
        return when_full(number)
    if reason in APOLOGISE:
        return twiml.apologise((await agent_of(database, call)).config.fallback_number)
    return twiml.hang_up()


def when_full(number: PhoneNumber | None) -> str:
    if number is None:
        return twiml.when_full(None, None)
    return twiml.when_full(number.when_full, number.forward_to)
