"""How a call that wants to end is ended: the reason is committed, Twilio is told, both sockets are closed."""

from __future__ import annotations

import asyncio

import structlog

from bridge.call.commands import EndCall
from bridge.call.ending import APOLOGISE
from bridge.runtime.counters import Counters
from bridge.runtime.held import Held
from bridge.runtime.journal import Journal
from bridge.runtime.live_call import LiveCall
from bridge.runtime.recorder import Recorder
from bridge.runtime.transfers import PHONE_CLOSES_SECONDS, Transfers
from database.journal import ReasonEntry
from telephony import twiml
from telephony.twilio import TwilioAccount, TwilioRefused, TwilioUnreachable

COMMIT_SECONDS = 2.0
TWILIO_SECONDS = 2.0
"""After this the media socket is closed, and after-stream says what this was to say."""
RETRY_SECONDS = 0.25

log = structlog.get_logger(__name__)


class Endings:
    def __init__(
        self,
        twilio: TwilioAccount,
        transfers: Transfers,
        journal: Journal,
        recorder: Recorder,
        counters: Counters,
    ) -> None:
        self._twilio = twilio
        self._transfers = transfers
        self._journal = journal
        self._recorder = recorder
        self._counters = counters

    async def carry_out(self, held: Held, ending: EndCall) -> bool:
        """Closes both sockets, whatever fails. Returns whether the call is over, rather than going on with an
        apology, or with somebody whom the caller is put through to."""
        over = False
        try:
            if ending.transfer_to is None:
                over = await self._end(held, ending)
            else:
                await self._transfers.put_through(held.live, held.row, held.agent.config, ending.transfer_to)
            await self._recorder.finish(held.live)
            await self._journal.flush(2.0)
        except Exception as error:
            log.error("ending_broken", call_id=held.row_id, error=type(error).__name__)
        finally:
            held.live.close_legs()
        return over

    async def _end(self, held: Held, ending: EndCall) -> bool:
        live = held.live
        await self._commit(live, ending)
        apology = ending.reason in APOLOGISE and live.answered_at is not None
        words = "" if ending.apologised else twiml.APOLOGY
        fallback_number = held.agent.config.fallback_number
        told = ending.caller_gone or await _tell_twilio(
            self._twilio, held.call_sid, twiml.apologise(fallback_number, words=words) if apology else None
        )
        if not told:
            self._counters.endings_left_to_after_stream += 1
        elif not ending.caller_gone:
            await live.phone_gone.wait(PHONE_CLOSES_SECONDS)
        live.close_legs()
        await live.phone_gone.wait(PHONE_CLOSES_SECONDS)
        return ending.caller_gone or (told and not apology)

    async def _commit(self, live: LiveCall, ending: EndCall) -> None:
        """With the journal: when many calls end at once they share a transaction, and while Postgres is away
        the reason is kept like all else. The first reason stands."""
        self._journal.add(ReasonEntry(live.call_id, str(ending.reason), ending.error, live.attach_number))
        if not await self._journal.flush(COMMIT_SECONDS):
            log.error("reason_late", call_id=live.call_id, reason=ending.reason)


async def _tell_twilio(twilio: TwilioAccount, call_sid: str | None, apology: str | None) -> bool:
    if call_sid is None:
        return False
    try:
        async with asyncio.timeout(TWILIO_SECONDS):
            while True:
                try:
                    if apology is None:
                        await twilio.end_call(call_sid)
                    else:
                        await twilio.redirect_call(call_sid, apology)
                    return True
                except TwilioUnreachable:
                    await asyncio.sleep(RETRY_SECONDS)
    except (TwilioRefused, TimeoutError) as error:
        log.warning("twilio_did_not_end_call", call_sid=call_sid, error=type(error).__name__)
        return False
