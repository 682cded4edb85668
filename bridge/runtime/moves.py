"""Calls that go from one process to another in mid-conversation, because the one is stopping or is gone.

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
from database.holding import HeldElsewhere, Orphan
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
AWAY = (TwilioRefused, TwilioUnreachable, HeldElsewhere, OSError, TimeoutError, SQLAlchemyError)

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
        self,
        database: Database,
        notifications: Notifications,
        streams: Streams,
        taker: Taker,
        *,
        taken_seconds: float = TAKEN_SECONDS,
    ) -> None:
        self._database = database
        self._notifications = notifications
        self._streams = streams
        self._taker = taker
        self._taken_seconds = taken_seconds

    async def give_away(self, held: Held, journal: Journal) -> bool:
        """Wait for a quiet moment, and until another process has the call. False: none takes it, or it has
        gone to another one by itself."""
        live = held.live
        if live.answered_at is None:
            return False
        await live.quiet_moment().wait(QUIET_SECONDS)
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
                {"quiet": live.quiet, "held_by": self._taker.holder.name},
                timeout_s=self._taken_seconds,
                pointless=held.done,
            ):
                if await live.phone_gone.wait(LEFT_SECONDS):
                    return True
                log.warning("stream_not_given_away", call_id=held.row_id)
        except (OSError, TimeoutError, SQLAlchemyError) as error:
            log.warning("call_not_given_away", call_id=held.row_id, error=type(error).__name__)
        live.leaving = False
        return False

    async def broken_off(self, call_id: str) -> None:
        """Whoever has the call now is to know that something was being said when it was given away."""
        with contextlib.suppress(OSError, TimeoutError, SQLAlchemyError):
            await call_commands.tell(self._database, call_id, call_commands.BROKEN_OFF, {})

    async def take(self, call_id: str, *, held_by: str, quiet: bool) -> None:
        """That process gives the call away, and this one has said that it takes it. It is not taken where a
        media stream has brought it to a third one meanwhile."""
        try:
            row = await calls.by_id(self._database, call_id)
            if (
                row is None
                or row.holder != held_by
                or row.ended_at is not None
                or row.ended_reason is not None
            ):
                return
            taken = await self._warm_up(row, quiet=quiet) and (
                await holding.take_over(self._database, call_id, held_by=held_by, heir=self._taker.holder)
                is not None
            )
            if not (taken and await self._have_streamed(call_id)):
                self._taker.abandon(call_id)
        except AWAY as error:
            log.warning("call_not_taken", call_id=call_id, error=type(error).__name__)
            self._taker.abandon(call_id)

    async def adopt(self, orphan: Orphan) -> None:
        """The process that had the call is gone. One that several find is taken by the first; where that does
        not work because somebody could not be reached, it is left to be found again."""
        me = self._taker.holder
        try:
            row = await holding.take_away(
                self._database, orphan.call_id, held_by=orphan.held_by, heir=me, if_gone=True
            )
        except AWAY as error:
            log.warning("call_not_adopted", call_id=orphan.call_id, error=type(error).__name__)
            return
        if row is None:
            return
        log.info("call_adopted", call_id=row.id)
        try:
            found_room = await self._warm_up(row, quiet=False)
            if found_room and await self._have_streamed(row.id):
                return
            leave = not found_room
        except AWAY as error:
            log.warning("call_not_adopted", call_id=row.id, error=type(error).__name__)
            leave = not isinstance(error, (TwilioRefused, HeldElsewhere))
        self._taker.abandon(row.id)
        if leave:
            await self._leave(orphan)

    async def _leave(self, orphan: Orphan) -> None:
        me = self._taker.holder
        before = calls.Holder(orphan.held_by or "", me.slot)
        with contextlib.suppress(*AWAY):
            await holding.take_over(self._database, orphan.call_id, held_by=me.name, heir=before)

    async def _warm_up(self, row: Call, *, quiet: bool) -> bool:
        """Open a session of the voice model that knows what was said. False: there is no room."""
        past, agent = await asyncio.gather(
            past_of(self._database, row, moved=quiet), agent_of(self._database, row)
        )
        if not self._taker.resume(row, agent, past):
            return False
        live = self._taker.find(row.id)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WARM_SECONDS):
                if live is not None:
                    await live.model_used.wait()
        return True

    async def _have_streamed(self, call_id: str) -> bool:
        """Have Twilio open a media stream, unless it has asked for one by itself meanwhile."""
        live = self._taker.find(call_id)
        if live is not None and live.phone is not None:
            return True
        if live is not None:
            live.replaced_at = asyncio.get_running_loop().time()
        return await self._streams.move(call_id, self._taker.holder.name)
