"""`POST /twilio/status`, `/twilio/status/{call_id}`: how far a call has got."""

from __future__ import annotations

import structlog
from litestar import post
from litestar.di import NamedDependency
from litestar.params import FromPath

from bridge.runtime.live_calls import LiveCalls
from bridge.runtime.snapshot import agent_of
from bridge.web.form import Form, TwilioForm
from bridge.web.postgres_away import AWAY, in_time
from bridge.web.without_postgres import WithoutPostgres
from database import call_commands, calls, holding
from database.models import CALL_STATUSES, FINAL_STATUSES, Call
from database.notifications import Notifications
from database.session import Database
from telephony.twilio import TwilioAccount, TwilioRefused, TwilioUnreachable

LOOK_UP_SECONDS = 1.0
OVER_SECONDS = 2.5
"""For the process that holds the call to write what it still has to tell: the end of a call is told last."""

log = structlog.get_logger(__name__)


@post("/status", status_code=204)
async def number_status(
    form: Form,
    database: NamedDependency[Database],
    notifications: NamedDependency[Notifications],
    live_calls: NamedDependency[LiveCalls],
    without_postgres: NamedDependency[WithoutPostgres],
) -> None:
    """Of calls to our numbers."""
    try:
        async with in_time(live_calls, LOOK_UP_SECONDS):
            call = await calls.by_call_sid(database, form.call_sid)
    except AWAY:
        if await without_postgres.over(calls.inbound_call_id(form.call_sid), form):
            return
        raise
    if call is not None:
        await take_status(call, form, database, notifications, live_calls)


@post("/status/{call_id:str}", status_code=204)
async def call_status(
    call_id: FromPath[str],
    form: Form,
    database: NamedDependency[Database],
    notifications: NamedDependency[Notifications],
    live_calls: NamedDependency[LiveCalls],
    twilio: NamedDependency[TwilioAccount],
    without_postgres: NamedDependency[WithoutPostgres],
) -> None:
    """Of calls that we dialled."""
    try:
        async with in_time(live_calls, LOOK_UP_SECONDS):
            call = await calls.by_id(database, call_id)
    except AWAY:
        if await without_postgres.over(call_id, form):
            return
        raise
    if call is None or call.twilio_call_sid not in {None, form.call_sid}:
        return
    if call.ended_at is not None and call.twilio_call_sid is None:
        await end_given_up(call, form, database, twilio)
    else:
        await take_status(call, form, database, notifications, live_calls)


async def end_given_up(call: Call, form: TwilioForm, database: Database, twilio: TwilioAccount) -> None:
    """Twilio dials a call that it never told us it took, and that has failed meanwhile: nobody shall pick up.

    Where it cannot be told so now, the next status is another chance, and the answer is hung up on."""
    if form.call_status in FINAL_STATUSES or not form.call_sid:
        return
    try:
        await twilio.end_call(form.call_sid)
    except (TwilioRefused, TwilioUnreachable) as error:
        log.warning("given_up_call_not_ended", call_id=call.id, error=type(error).__name__)
        return
    await calls.mark_dialled(database, call.id, form.call_sid)


async def take_status(
    call: Call, form: TwilioForm, database: Database, notifications: Notifications, live_calls: LiveCalls
) -> None:
    status = form.call_status
    if status not in CALL_STATUSES or call.ended_at is not None:
        return
    if status in FINAL_STATUSES:
        await end_where_it_is_held(call, database, notifications, live_calls)
    taken = await calls.take_status(database, call.id, status, form.sequence, call_sid=form.call_sid or None)
    if taken is not None and taken.direction == "outbound" and taken.status == status == "ringing":
        await prepare(taken, database, live_calls)


async def prepare(call: Call, database: Database, live_calls: LiveCalls) -> None:
    """While the phone rings there is time to open and configure the model session."""
    if call.ended_reason is not None or live_calls.full:
        return
    if await holding.hold(database, call.id, holder=live_calls.holder) == live_calls.holder.name:
        live_calls.prepare(call, await agent_of(database, call))


async def end_where_it_is_held(
    call: Call, database: Database, notifications: Notifications, live_calls: LiveCalls
) -> None:
    if await live_calls.over(call.id, OVER_SECONDS) or call.holder in {None, live_calls.holder.name}:
        return
    await call_commands.ask(database, notifications, call.id, call_commands.OVER, {}, timeout_s=OVER_SECONDS)
