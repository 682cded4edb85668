"""`POST /twilio/after-stream/{slot}/{call_id}`: a stream has ended, what happens next?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from enum import Enum, auto

import structlog
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from bridge.call.agent import AgentSnapshot
from bridge.call.ending import APOLOGISE, EndReason
from bridge.call.past import Past
from bridge.call.transfer import Transfer, destinations, read_transfer
from bridge.runtime.live_calls import LiveCalls
from bridge.runtime.snapshot import agent_of
from bridge.runtime.streams import Streams
from bridge.runtime.transfers import dial
from bridge.web.form import Form, TwilioForm
from bridge.web.postgres_away import AWAY, in_time
from bridge.web.without_postgres import WithoutPostgres
from bridge.web.xml import Xml
from database import call_commands, calls, holding
from database.models import FINAL_STATUSES, Call
from database.notifications import Notifications
from database.past import past_of
from database.session import Database
from telephony import twiml
from telephony.addresses import Addresses

DATABASE_SECONDS = 3.0
TAKER_SECONDS = 0.7
"""For a process that has room to say that it takes the call."""
HOLDER_SECONDS = 0.3
"""For the process that holds the call to say that it is still there. One that was killed does not answer."""

log = structlog.get_logger(__name__)


class Next(Enum):
    HANG_UP = auto()
    PUT_THROUGH = auto()
    APOLOGISE = auto()
    ATTACH_AGAIN = auto()


def decide(
    call_status: str, reason: EndReason | None, *, ended: bool, transfer: Transfer | None = None
) -> Next:
    """From Twilio's status, the committed reason, whether the call's row is final, and a planned transfer.

    | caller | reason | next |
    | --- | --- | --- |
    | gone, or the row is final | any | hang up |
    | there | none: a transfer has begun | put through |
    | there | none: the stream was lost | attach again |
    | there | one of those that are our fault | apologise |
    | there | any other | hang up |
    """
    if ended or call_status in FINAL_STATUSES:
        return Next.HANG_UP
    if reason is None:
        begun = transfer is not None and transfer.state == "dialling"
        return Next.PUT_THROUGH if begun else Next.ATTACH_AGAIN
    return Next.APOLOGISE if reason in APOLOGISE else Next.HANG_UP


@post("/after-stream/{slot:str}/{call_id:str}", status_code=200)
async def after_stream(
    *,
    slot: FromPath[str],
    call_id: FromPath[str],
    form: Form,
    database: NamedDependency[Database],
    notifications: NamedDependency[Notifications],
    live_calls: NamedDependency[LiveCalls],
    streams: NamedDependency[Streams],
    addresses: NamedDependency[Addresses],
    without_postgres: NamedDependency[WithoutPostgres],
) -> Response[str]:
    """Idempotent: asked twice, by `action` and by Redirect, it answers twice the same."""
    asked = AfterStream(form, database, notifications, live_calls, streams, addresses, without_postgres)
    try:
        async with in_time(live_calls, DATABASE_SECONDS):
            return Xml(await asked.document(call_id))
    except AWAY as error:
        if (document := without_postgres.after_stream(call_id, form)) is not None:
            return Xml(document)
        # Twilio asks nobody after us: better an apology that was not called for than silence.
        log.error("after_stream_without_postgres", call_id=call_id, error=type(error).__name__)
        gone = decide(form.call_status, None, ended=False) is Next.HANG_UP
        return Xml(twiml.hang_up() if gone else twiml.apologise(None))


class AfterStream:
    """One request, and what is needed to answer it."""

    def __init__(
        self,
        form: TwilioForm,
        database: Database,
        notifications: Notifications,
        live_calls: LiveCalls,
        streams: Streams,
        addresses: Addresses,
        without_postgres: WithoutPostgres,
    ) -> None:
        self._form = form
        self._database = database
        self._notifications = notifications
        self._live_calls = live_calls
        self._streams = streams
        self._addresses = addresses
        self._without_postgres = without_postgres

    async def document(self, call_id: str) -> str:
        call = await calls.by_id(self._database, call_id)
        if call is None and (unwritten := self._without_postgres.after_stream(call_id, self._form)):
            return unwritten
        if call is None or call.twilio_call_sid != self._form.call_sid:
            # Its row may be in the spool of a process that was killed.
            there = self._form.call_status not in FINAL_STATUSES
            return twiml.apologise(None) if call is None and there else twiml.hang_up()
        reason = None if call.ended_reason is None else EndReason(call.ended_reason)
        transfer = read_transfer(call.transfer)
        match decide(self._form.call_status, reason, ended=call.ended_at is not None, transfer=transfer):
            case Next.HANG_UP:
                return twiml.hang_up()
            case Next.APOLOGISE:
                return await self._apology(call)
            case Next.PUT_THROUGH:
                return await self._put_through(call, "" if transfer is None else transfer.destination)
            case Next.ATTACH_AGAIN:
                return await self._attach_again(call)

    async def _put_through(self, call: Call, destination: str) -> str:
        """Twilio's API did not take it."""
        wanted = destinations((await agent_of(self._database, call)).config).get(destination)
        return twiml.hang_up() if wanted is None else dial(self._addresses, call, wanted)

    async def _attach_again(self, call: Call) -> str:
        """What was said is read at the same time as it is found out whether another process has the call."""
        if self._live_calls.holds(call.id):
            return await self._offer(call, None)
        reading = asyncio.create_task(self._read(call), name=f"read_{call.id}")
        try:
            return await self._offer(call, reading)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read(self, call: Call) -> tuple[Past, AgentSnapshot]:
        return await asyncio.gather(past_of(self._database, call), agent_of(self._database, call))

    async def _offer(self, call: Call, reading: Awaitable[tuple[Past, AgentSnapshot]] | None) -> str:
        me = self._live_calls.holder
        offered = await holding.offer_stream(
            self._database, call.id, token=self._form.idempotency_token, heir=me
        )
        if offered is None:
            return await self._give_up(call, EndReason.STREAM_LOST)
        if self._live_calls.offered(call.id):
            return self._streams.document(offered)
        if offered.holder != me.name:
            if await self._held_elsewhere(offered):
                return self._streams.document(offered)
            taken = await holding.take_away(self._database, call.id, held_by=offered.holder, heir=me)
            if taken is None:  # a third process was faster
                return self._streams.document(await calls.by_id(self._database, call.id) or offered)
            offered = taken
        return await self._take_up(offered, *await (reading or self._read(call)))

    async def _take_up(self, call: Call, past: Past, agent: AgentSnapshot) -> str:
        if self._live_calls.resume(call, agent, past):
            log.info("call_resumed", call_id=call.id)
            return self._streams.document(call)
        if await self._taken_elsewhere(call):
            return twiml.wait(self._addresses.after_stream(call.slot or "0", call.id))
        return await self._give_up(call, EndReason.PROCESS_LOST)

    async def _held_elsewhere(self, call: Call) -> bool:
        """Another process is there that has the call, with its warm session, and is told that a stream
        comes."""
        return await call_commands.ask(
            self._database,
            self._notifications,
            call.id,
            call_commands.OFFERED,
            {},
            timeout_s=HOLDER_SECONDS,
        )

    async def _taken_elsewhere(self, call: Call) -> bool:
        """This process has no room, or is stopping. Another one takes the call, and has Twilio told of a
        stream by REST."""
        return await call_commands.ask(
            self._database,
            self._notifications,
            call.id,
            call_commands.TAKE_OVER,
            {"quiet": False, "held_by": self._live_calls.holder.name},
            timeout_s=TAKER_SECONDS,
        )

    async def _give_up(self, call: Call, reason: EndReason) -> str:
        await calls.commit_reason(self._database, call.id, reason)
        self._live_calls.hang_up(call.id, reason)
        return await self._apology(call)

    async def _apology(self, call: Call) -> str:
        return twiml.apologise((await agent_of(self._database, call)).config.fallback_number)
