"""What Twilio is answered about calls that this process has, or may take, while Postgres is away.

Nobody else can take such a call meanwhile, since that takes Postgres. What would have been written at once
goes the journal's way, and is written when Postgres is back.
"""

from __future__ import annotations

import datetime as dt

import structlog

from bridge.call.ending import EndReason
from bridge.runtime.known_numbers import KnownNumbers
from bridge.runtime.live_call import LiveCall
from bridge.runtime.live_calls import LiveCalls
from bridge.runtime.stream_token import StreamClaim
from bridge.runtime.streams import Streams
from bridge.web.answer import when_full
from bridge.web.form import TwilioForm
from database.calls import TOKEN_SECONDS, inbound_call_id
from database.holding import offer
from database.journal import AttachEntry, CallEntry, ReasonEntry
from database.models import FINAL_STATUSES, Call
from telephony import twiml

OVER_SECONDS = 1.0

log = structlog.get_logger(__name__)


class WithoutPostgres:
    def __init__(self, known: KnownNumbers, live_calls: LiveCalls, streams: Streams) -> None:
        self._known = known
        self._live_calls = live_calls
        self._streams = streams

    def answer(self, form: TwilioForm) -> str | None:
        """To a call that comes in. None: the number is not known here."""
        found = self._known.find(form.text("To"))
        if found is None or not form.call_sid:
            return None
        number, version = found
        now = dt.datetime.now(dt.UTC)
        held = self._live_calls.held(inbound_call_id(form.call_sid))
        row = (
            held.row
            if held is not None
            else Call(
                id=inbound_call_id(form.call_sid),
                direction="inbound",
                status="ringing",
                agent_id=number.agent_id,
                agent_version=version,
                phone_number_id=number.id,
                from_=form.text("From"),
                to=form.text("To"),
                twilio_call_sid=form.call_sid,
                variables={},
                created_at=now,
                attach_number=0,
                attach_offers=0,
            )
        )
        agent = self._known.agent_of(row, now)
        if agent is None:
            return None
        room = self._live_calls.prepare(row, agent)
        self._answered(row, now)
        if not room:
            reason = ReasonEntry(row.id, EndReason.OVERLOADED)
            self._live_calls.journal.add(reason)
            return when_full(number)
        self._live_calls.answered(row.id, row.answered_at or now)
        self._live_calls.counters.calls_answered_without_postgres += 1
        return self._streams.document(row)

    def _answered(self, row: Call, now: dt.datetime) -> None:
        """As `calls.answer`; a repeated webhook gets the same document."""
        holder = self._live_calls.holder
        if row.attach_expires_at is None or row.attach_expires_at <= now:
            row.attach_expires_at = now.replace(microsecond=0) + dt.timedelta(seconds=TOKEN_SECONDS)
        row.answered_at = row.answered_at or now
        row.status = "in-progress"
        row.slot, row.holder = holder.slot, holder.name
        self._live_calls.journal.add(
            CallEntry(
                call_id=row.id,
                twilio_call_sid=row.twilio_call_sid or "",
                agent_id=row.agent_id,
                agent_version=row.agent_version,
                phone_number_id=row.phone_number_id,
                from_=row.from_,
                to=row.to,
                created_at=row.created_at,
                answered_at=row.answered_at,
                attach_expires_at=row.attach_expires_at,
                slot=holder.slot,
                holder=holder.name,
            )
        )

    def attach(self, claim: StreamClaim) -> LiveCall | None:
        """Use the token up in memory. None: the call is not held here, or the token was used before."""
        held = self._live_calls.held(claim.call_id)
        if held is None or claim.attach_number != held.row.attach_number + 1:
            return None
        held.row.attach_number = claim.attach_number
        holder = self._live_calls.holder
        self._live_calls.journal.add(
            AttachEntry(claim.call_id, claim.attach_number, holder.slot, holder.name)
        )
        return self._live_calls.claim(held.row, held.agent)

    def after_stream(self, call_id: str, form: TwilioForm) -> str | None:
        """Another stream for a call that has lost its own. None: the call is not held here, or has had too
        many."""
        held = self._live_calls.held(call_id)
        if held is None or held.row.twilio_call_sid != form.call_sid:
            return None
        if form.call_status in FINAL_STATUSES:
            return twiml.hang_up()
        if not offer(held.row, dt.datetime.now(dt.UTC), form.idempotency_token):
            return None
        return self._streams.document(held.row) if self._live_calls.offered(call_id) else None

    async def over(self, call_id: str, form: TwilioForm) -> bool:
        """Twilio says how far a call has got. False: it is not held here, or it is not its end."""
        if form.call_status not in FINAL_STATUSES:
            return False
        return await self._live_calls.over(call_id, OVER_SECONDS)
