"""Puts right where Twilio and the database think differently about a call: a row that is unfinished although
the call is over, and a call that is still running although its row has ended. Each process looks, and none at
what another one has just looked at. Only calls in our table are ever asked for, or ended."""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog

from bridge.call.ending import EndReason
from bridge.runtime.counters import Counters
from bridge.runtime.rounds import Rounds
from database import call_commands, calls
from database.models import FINAL_STATUSES, Call
from database.notifications import Notifications
from database.session import Database
from database.unsure_calls import take_unsure
from telephony.twilio import TwilioAccount, TwilioRefused, TwilioUnreachable

ROUND_SECONDS = 10.0
AT_ONCE = 10
"""Of a process in a round: one request a second, however many calls there are."""
OVER_SECONDS = 2.5

log = structlog.get_logger(__name__)


class Holder(Protocol):
    """Has live calls."""

    @property
    def counters(self) -> Counters: ...
    async def over(self, call_id: str, timeout_s: float = 3.0) -> bool: ...


class Reconciler:
    def __init__(
        self, database: Database, notifications: Notifications, twilio: TwilioAccount, holder: Holder
    ) -> None:
        self._database = database
        self._notifications = notifications
        self._twilio = twilio
        self._holder = holder
        self._rounds = Rounds("reconciler", self.round, every_s=ROUND_SECONDS)

    def start(self) -> None:
        self._rounds.start()

    async def stop(self) -> None:
        await self._rounds.stop()

    async def round(self) -> None:
        unsure = await take_unsure(self._database, limit=AT_ONCE)
        await asyncio.gather(*(self._reconcile(call) for call in unsure))

    async def _reconcile(self, call: Call) -> None:
        call_sid = call.twilio_call_sid or ""
        try:
            status = await self._twilio.call_status(call_sid)
            running = status is not None and status not in FINAL_STATUSES
            if call.ended_at is None and not running:
                await self._close_row(call, status)
            elif call.ended_at is not None and running:
                await self._twilio.end_call(call_sid)
                self._holder.counters.forgotten_calls_ended += 1
                log.warning("forgotten_call_ended", call_id=call.id, status=status)
        except (TwilioRefused, TwilioUnreachable) as error:
            log.info("call_not_reconciled", call_id=call.id, error=type(error).__name__)

    async def _close_row(self, call: Call, status: str | None) -> None:
        """`status` None: Twilio knows of no such call. Whoever still holds it writes first what it has to
        tell."""
        if not await self._holder.over(call.id, OVER_SECONDS):
            await call_commands.ask(
                self._database, self._notifications, call.id, call_commands.OVER, {}, timeout_s=OVER_SECONDS
            )
        if status is None:
            closed = await calls.finish(
                self._database, call.id, status="failed", reason=EndReason.PROCESS_LOST
            )
        else:
            closed = await calls.take_status(self._database, call.id, status, None) is not None
        if closed:
            self._holder.counters.forgotten_rows_closed += 1
            log.warning("forgotten_row_closed", call_id=call.id, status=status)
