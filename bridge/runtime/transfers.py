"""Putting callers through: may it be done, and how Twilio is told."""

from __future__ import annotations

import asyncio
import re

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bridge.call.agent import AgentConfig
from bridge.call.tools import E164, Destination
from bridge.call.transfer import destinations
from bridge.runtime.live_call import LiveCall
from database import guards, transfers
from database.models import Call
from database.session import Database
from telephony import twiml
from telephony.addresses import Addresses
from telephony.destinations import why_not_connected
from telephony.twilio import TwilioAccount, TwilioRefused, TwilioUnreachable

DATABASE_SECONDS = 2.0
TWILIO_SECONDS = 2.0
"""After this the media socket is closed, and after-stream puts the caller through."""
RETRY_SECONDS = 0.25
PHONE_CLOSES_SECONDS = 2.0
"""Within which Twilio closes the media socket of a call that it was told to do something else with."""
TALK_SECONDS = 14_400
"""That they may talk: Twilio's own limit of a `<Dial>`. What was said when the call was dialled is for the
agent."""
NOT_NOW = "The transfer cannot be made just now."

log = structlog.get_logger(__name__)


def dial(addresses: Addresses, call: Call, wanted: Destination) -> str:
    """The TwiML that puts the caller through."""
    return twiml.dial(
        wanted.to,
        caller_id=wanted.caller_id or _caller_id(call),
        timeout_seconds=wanted.timeout_seconds,
        whisper_url=None if wanted.whisper is None else addresses.whisper(call.id),
        status_url=addresses.dialled_status(call.id),
        after_dial_url=addresses.after_dial(call.slot or "0", call.id),
    )


class Transfers:
    def __init__(self, database: Database, twilio: TwilioAccount, addresses: Addresses) -> None:
        self._database = database
        self._twilio = twilio
        self._addresses = addresses

    async def why_not(self, config: AgentConfig, name: str) -> str | None:
        """In words for the agent why the caller is not put through to this destination; None: they may be.

        The guards are asked again: they may have changed since the agent was saved. Deny by default."""
        wanted = destinations(config).get(name)
        if wanted is None:
            return f"There is no destination named {name!r}."
        if not wanted.to.startswith("+"):
            return None
        try:
            async with asyncio.timeout(DATABASE_SECONDS), self._database.session() as session:
                limits = await guards.current(session)
        except (OSError, TimeoutError, SQLAlchemyError) as error:
            log.warning("guards_not_read", error=type(error).__name__)
            return NOT_NOW
        why = why_not_connected(wanted.to, countries=limits.countries, allow=limits.allow, deny=limits.deny)
        return None if why is None else f"Nobody may be put through to {name}: the guards refuse its number."

    async def put_through(self, live: LiveCall, call: Call, config: AgentConfig, name: str) -> None:
        """Says so in the call's row, then to Twilio; where it does not listen, after-stream does it. A call
        that was to end meanwhile ends."""
        if await self._planned(call.id, name):
            await self._tell_twilio(call, dial(self._addresses, call, destinations(config)[name]))
            await live.phone_gone.wait(PHONE_CLOSES_SECONDS)
        live.close_legs()
        await live.phone_gone.wait(PHONE_CLOSES_SECONDS)

    async def _planned(self, call_id: str, name: str) -> bool:
        try:
            async with asyncio.timeout(DATABASE_SECONDS):
                return await transfers.plan(self._database, call_id, name)
        except (OSError, TimeoutError, SQLAlchemyError) as error:
            # The caller has been told that they are being put through.
            log.error("transfer_not_planned", call_id=call_id, error=type(error).__name__)
            return True

    async def _tell_twilio(self, call: Call, document: str) -> None:
        if call.twilio_call_sid is None:
            return
        limit = TALK_SECONDS if call.direction == "outbound" else None
        try:
            async with asyncio.timeout(TWILIO_SECONDS):
                while True:
                    try:
                        await self._twilio.redirect_call(
                            call.twilio_call_sid, document, time_limit_seconds=limit
                        )
                        return
                    except TwilioUnreachable:
                        await asyncio.sleep(RETRY_SECONDS)
        except (TwilioRefused, TimeoutError) as error:
            log.warning("twilio_did_not_dial", call_id=call.id, error=type(error).__name__)


def _caller_id(call: Call) -> str | None:
    """The caller's own number; ours where they have none. Twilio refuses what is neither (13214)."""
    if call.direction == "outbound" or re.match(E164, call.from_):
        return call.from_
    return call.to if re.match(E164, call.to) else None
