"""Learns from Twilio what calls that are over have cost. Every process asks, and none for another's call."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import structlog

from bridge.runtime.rounds import Rounds
from database import twilio_prices
from database.costs import CURRENCY
from database.models import Call
from database.session import Database
from telephony.twilio import TwilioAccount, TwilioRefused, TwilioUnreachable

ROUND_SECONDS = 5.0
AT_ONCE = 10

log = structlog.get_logger(__name__)


class TwilioPrices:
    def __init__(self, database: Database, twilio: TwilioAccount) -> None:
        self._database = database
        self._twilio = twilio
        self._rounds = Rounds("twilio_prices", self.round, every_s=ROUND_SECONDS)

    def start(self) -> None:
        self._rounds.start()

    async def stop(self) -> None:
        await self._rounds.stop()

    async def round(self) -> None:
        """Ask for all that are due."""
        while due := await twilio_prices.take_due(self._database, limit=AT_ONCE):
            await asyncio.gather(*(self._ask(call) for call in due))
            if len(due) < AT_ONCE:
                return

    async def _ask(self, call: Call) -> None:
        if call.twilio_call_sid is None:
            # Twilio never had it.
            await twilio_prices.keep_price(self._database, call.id, Decimal(0), CURRENCY)
            return
        try:
            price = await self._twilio.call_price(call.twilio_call_sid)
        except TwilioRefused as refused:
            if refused.status == 404:
                await twilio_prices.give_up(self._database, call.id)
            log.warning("price_refused", call_id=call.id, code=refused.code)
        except TwilioUnreachable:
            log.info("price_not_learnt", call_id=call.id)
        else:
            if price is not None:
                await twilio_prices.keep_price(self._database, call.id, price.amount, price.currency)
            elif call.price_due_at is None:
                log.warning("price_never_rated", call_id=call.id)
