"""Calls that go from one process to another in mid-conversation, because the one is stopping.

The one that takes a call opens a session of the voice model and tells it what was said; only then is Twilio
asked for a media stream to it. The old stream gets `stop`.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bridge.call.agent import AgentSnapshot
from bridge.call.past import Past
from bridge.runtime.held import Held
from bridge.runtime.journal import Journal
from bridge.runtime.live_call import LiveCall
from bridge.runtime.snapshot import agent_of
from bridge.runtime.streams import Streams
from database import call_commands, calls, holding
from database.models import Call
from database.notifications import Notifications
from database.past import past_of
from database.session import Database
from telephony.twilio import TwilioRefused, TwilioUnreachable

QUIET_SECONDS = 4.0
"""For a moment in which nobody speaks."""
TAKEN_SECONDS = 5.0
"""For another process to say that it takes the call; one may just be starting."""
LEFT_SECONDS = 8.0
"""From there to the end of the old media stream."""
WARM_SECONDS = 3.0
"""For a session of the voice model; then the call is taken all the same."""

log = structlog.get_logger(__name__)


class Taker(Protocol):
    holder: calls.Holder

    @property
    def full(self) -> bool: ...
    def resume(self, row: Call, agent: AgentSnapshot, past: Past) -> bool: ...
    def find(self, call_id: str) -> LiveCall | None: ...
    def abandon(self, call_id: str) -> None: ...


class Moves:
    def __init__(
        self, database: Database, notifications: Notifications, streams: Streams, taker: Taker
    ) -> None:
        self._database = database
        self._notifications = notifications
        self._streams = streams
        self._taker = taker

    async def give_away(self, held: Held, journal: Journal) -> bool:
        """Wait for a quiet moment, and until another process has the call. False: none takes it."""
        live = held.live
        if live.answered_at is None:
            return False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(QUIET_SECONDS):
                await live.quiet_moment().wait()
        if live.ending is not None:
            return False
        await journal.flush(1.0)
        live.leaving = True
        try:
            if await call_commands.ask(
                self._database,
                self._notifications,
                held.row_id,
                call_commands.TAKE_OVER,
                {"quiet": live.quiet},
                timeout_s=TAKEN_SECONDS,
            ):
                async with asyncio.timeout(LEFT_SECONDS):
                    await live.phone_gone.wait()
                return True
        except (OSError, TimeoutError, SQLAlchemyError) as error:
            log.warning("call_not_given_away", call_id=held.row_id, error=type(error).__name__)
        live.leaving = False
        return False

    async def broken_off(self, call_id: str) -> None:
        """Whoever has the call now is to know that something was being said when it was given away."""
        with contextlib.suppress(OSError, TimeoutError, SQLAlchemyError):
            await call_commands.tell(self._database, call_id, call_commands.BROKEN_OFF, {})

    async def take(self, call_id: str, *, quiet: bool) -> None:
        """Another process gives the call away, and this one has said that it takes it."""
        try:
            if not await self._take(call_id, quiet=quiet):
                self._taker.abandon(call_id)
        except (TwilioRefused, TwilioUnreachable, OSError, TimeoutError, SQLAlchemyError) as error:
            log.warning("call_not_taken", call_id=call_id, error=type(error).__name__)
            self._taker.abandon(call_id)

    async def _take(self, call_id: str, *, quiet: bool) -> bool:
        row = await calls.by_id(self._database, call_id)
        if row is None or row.ended_at is not None or row.ended_reason is not None:
            return False
        past = await past_of(self._database, row, moved=quiet)
        if not self._taker.resume(row, await agent_of(self._database, row), past):
            return False
        live = self._taker.find(call_id)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WARM_SECONDS):
                if live is not None:
                    await live.model_used.wait()
        await holding.take_over(self._database, call_id, holder=self._taker.holder)
        return await self._streams.move(call_id)
