"""WebSocket `/twilio/media/{slot}`: the media stream.

No database session may live as long as the socket: none is injected here, and each question opens its own.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import structlog
from litestar import WebSocket, websocket
from litestar.di import NamedDependency
from litestar.params import FromPath

from bridge.runtime.live_call import LiveCall
from bridge.runtime.live_calls import LiveCalls
from bridge.runtime.phone_leg import PhoneLeg
from bridge.runtime.snapshot import agent_of
from bridge.runtime.stream_token import StreamClaim, StreamTokens
from bridge.web.postgres_away import AWAY, in_time
from bridge.web.signature import Signatures
from bridge.web.take_over import phone_leg
from bridge.web.without_postgres import WithoutPostgres
from bridge.wire import twilio
from database import calls, holding
from database.past import past_of
from database.session import Database

START_SECONDS = 5.0
DATABASE_SECONDS = 2.0
MESSAGES_BEFORE_START = 10
"""Twilio sends one, `connected`."""
POLICY_VIOLATION = 1008
INTERNAL_ERROR = 1011

log = structlog.get_logger(__name__)


@websocket("/media/{slot:str}")
async def media(
    *,
    slot: FromPath[str],
    socket: WebSocket[Any, Any, Any],
    signatures: NamedDependency[Signatures],
    stream_tokens: NamedDependency[StreamTokens],
    database: NamedDependency[Database],
    live_calls: NamedDependency[LiveCalls],
    without_postgres: NamedDependency[WithoutPostgres],
) -> None:
    """Any process serves any slot; the one that is named has the model session ready."""
    if not signatures.right_upgrade(socket.scope["raw_path"].decode("latin-1"), socket.headers):
        live_calls.counters.signatures_refused += 1
        await socket.close()  # before `accept`: HTTP 403
        return
    await socket.accept()
    leg = phone_leg(socket, live_calls.counters)
    start = await read_start(leg)
    try:
        claim = None if start is None else claimed(start, stream_tokens)
        live = None if claim is None else await attach(claim, database, live_calls, without_postgres)
    except AWAY as error:
        log.error("stream_not_attached", error=type(error).__name__)
        await leg.refuse(INTERNAL_ERROR)
        return
    if start is None or live is None:
        live_calls.counters.streams_refused += 1
        await leg.refuse(POLICY_VIOLATION)
        return
    phone, on_texts, recorded = live_calls.recorder.record(live, leg)

    def ended() -> None:
        live.phone_ended(phone)
        recorded()

    live.stream_started(phone, start.stream_sid)
    await leg.run(on_texts, ended)


async def read_start(leg: PhoneLeg) -> twilio.StartData | None:
    """`connected`, then `start`. None: they did not come in time, or something else did."""
    try:
        async with asyncio.timeout(START_SECONDS):
            for _ in range(MESSAGES_BEFORE_START):
                text = await leg.receive()
                message = None if text is None else twilio.decode(text)
                if isinstance(message, twilio.Start):
                    return message.start
                if text is None or not isinstance(message, twilio.Connected):
                    return None
    except TimeoutError:
        pass
    return None


def claimed(start: twilio.StartData, stream_tokens: StreamTokens) -> StreamClaim | None:
    """None: the token is wrong or late."""
    token = start.custom_parameters.get("token", "")
    return stream_tokens.verify(token, call_sid=start.call_sid, now=dt.datetime.now(dt.UTC))


async def attach(
    claim: StreamClaim, database: Database, live_calls: LiveCalls, without_postgres: WithoutPostgres
) -> LiveCall | None:
    """Use the token up and take the call. None: it was used before, or the call is not to go on."""
    try:
        async with in_time(live_calls, DATABASE_SECONDS):
            live = await attach_with_postgres(claim, database, live_calls)
            if live is None and await is_unwritten(claim.call_id, database, live_calls):
                return without_postgres.attach(claim)
            return live
    except AWAY:
        if not live_calls.holds(claim.call_id):
            raise
        return without_postgres.attach(claim)


async def is_unwritten(call_id: str, database: Database, live_calls: LiveCalls) -> bool:
    """Postgres has come back since the call was answered without it; its row is still on its way there."""
    return live_calls.holds(call_id) and await calls.by_id(database, call_id) is None


async def attach_with_postgres(
    claim: StreamClaim, database: Database, live_calls: LiveCalls
) -> LiveCall | None:
    call = await holding.attach(database, claim.call_id, claim.attach_number, holder=live_calls.holder)
    if call is None or call.ended_reason is not None:
        return None
    if live_calls.holds(call.id):
        # All that it needs is here: the caller hears the greeting the sooner.
        return live_calls.claim(call)
    past = await past_of(database, call)
    return live_calls.claim(call, await agent_of(database, call), past)
