"""Media streams of calls, as they are asked of Twilio: in the answer to a call, and when one was lost."""

from __future__ import annotations

import asyncio

from sqlalchemy.exc import SQLAlchemyError

from bridge.runtime.stream_token import StreamTokens
from database import holding
from database.call_events import utc_now
from database.models import Call
from database.session import Database
from telephony import twiml
from telephony.addresses import Addresses
from telephony.twilio import TwilioAccount

DATABASE_SECONDS = 1.0
"""The caller hears nothing meanwhile."""


class Streams:
    def __init__(
        self, database: Database, twilio: TwilioAccount, addresses: Addresses, tokens: StreamTokens
    ) -> None:
        self._database = database
        self._twilio = twilio
        self._addresses = addresses
        self._tokens = tokens

    def document(self, call: Call) -> str:
        """The TwiML; `call` as `calls.answer` or `holding.offer_stream` has left it."""
        if call.slot is None or call.twilio_call_sid is None or call.attach_expires_at is None:
            raise ValueError(f"{call.id} was not answered")
        token = self._tokens.sign(
            call_id=call.id,
            call_sid=call.twilio_call_sid,
            attach_number=call.attach_number + 1,
            expires_at=call.attach_expires_at,
        )
        return twiml.connect(
            stream_url=self._addresses.media(call.slot),
            token=token,
            after_stream_url=self._addresses.after_stream(call.slot, call.id),
        )

    async def move(self, call_id: str, held_by: str, held: Call | None = None) -> bool:
        """Have Twilio open another media stream, without its having asked: only the process that has the call
        may, or it would cut off the stream of another one. False: it was tried too often, or the call is
        over. Raises HeldElsewhere, and what the database and Twilio's API raise.

        `held`: the row as the process that holds the call knows it, which will do while Postgres is away."""
        try:
            async with asyncio.timeout(DATABASE_SECONDS):
                offered = await holding.offer_stream(self._database, call_id, held_by=held_by)
        except (SQLAlchemyError, OSError, TimeoutError):
            if held is None:
                raise
            offered = held if holding.offer(held, utc_now(), "") else None
        if offered is None or offered.twilio_call_sid is None:
            return False
        await self._twilio.redirect_call(offered.twilio_call_sid, self.document(offered))
        return True
