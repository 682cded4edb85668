"""Hanging up: a ringing call through Twilio, a live one through the process that holds it."""

from __future__ import annotations

from api.audit import note
from api.auth import Caller
from api.errors import Problem
from bridge.call.ending import EndReason
from bridge.call.transfer import read_transfer
from database import call_commands, calls
from database.models import FINAL_STATUSES, Call
from database.notifications import Notifications
from database.session import Database
from telephony.twilio import TwilioAccount


async def hang_up(
    call: Call, who: Caller, database: Database, notifications: Notifications, twilio: TwilioAccount
) -> None:
    """Raises a 409 when the call is over, a 504 when its holder does not react."""
    if call.status in FINAL_STATUSES:
        raise Problem(409, f"The call is over: {call.status}.")
    async with database.session.begin() as session:
        await note(session, who, "call.hung_up", call.id)
    transfer = read_transfer(call.transfer)
    if transfer is not None and transfer.state != "failed" and call.twilio_call_sid is not None:
        # The caller is with somebody else, or on the way there: no process holds the call.
        await calls.commit_reason(database, call.id, EndReason.OPERATOR_HUNG_UP)
        await twilio.end_call(call.twilio_call_sid)
    elif call.answered_at is not None:
        if not await call_commands.ask(database, notifications, call.id, "hangup", {}):
            raise Problem(504, "The process that holds the call did not take the command in 3 s. Try again.")
    elif call.twilio_call_sid is not None:
        await twilio.end_call(call.twilio_call_sid)
    else:
        # Twilio has not told us that it dials. Should somebody pick up after all, they are hung up on.
        await calls.finish(database, call.id, status="canceled", reason=EndReason.CANCELED)
