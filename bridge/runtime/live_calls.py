"""The calls of this process: who may come in, whose model session is open, and that nothing is left
behind."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Set
from pathlib import Path

import structlog

from bridge.call.agent import AgentSnapshot
from bridge.call.ending import EndReason
from bridge.call.events import Event
from bridge.call.past import Past
from bridge.runtime.command_intake import CommandIntake
from bridge.runtime.counters import Counters
from bridge.runtime.ending import Endings
from bridge.runtime.errands import Errands
from bridge.runtime.held import Held
from bridge.runtime.janitor import Janitor
from bridge.runtime.journal import Journal
from bridge.runtime.live_call import LiveCall
from bridge.runtime.loop_lag import LoopLag
from bridge.runtime.measured import Measured
from bridge.runtime.model_leg import ModelOptions
from bridge.runtime.model_sessions import ModelSessions
from bridge.runtime.moves import TAKEN_SECONDS, Moves
from bridge.runtime.new_call import NewCall, openai_call
from bridge.runtime.orphans import Orphans
from bridge.runtime.placing import Placing
from bridge.runtime.recorder import Recorder
from bridge.runtime.row_closer import RowCloser
from bridge.runtime.streams import Streams
from bridge.runtime.tool_runner import ToolRunner
from bridge.runtime.transfers import Transfers
from database.calls import Holder
from database.models import Call, new_id
from database.notifications import Notifications
from database.session import Database
from recordings.files import RecordingFiles
from telephony.twilio import TwilioAccount

CLAIM_SECONDS = 10.0
"""Within which an answered call's media stream comes, or its model session is let go."""
RING_SECONDS = 660.0
"""Longer than Twilio lets a phone ring."""
LATELY_SECONDS = 30.0
ENDINGS_SECONDS = 8.0
"""For the endings that are under way when the server stops."""
TOOLS_SECONDS = 2.0
"""For tools that still run then, so that their results are recorded."""

log = structlog.get_logger(__name__)


class LiveCalls:
    """`slot` names this process in the addresses we give to Twilio."""

    def __init__(
        self,
        *,
        database: Database,
        notifications: Notifications,
        twilio: TwilioAccount,
        model: ModelOptions,
        tools: ToolRunner,
        transfers: Transfers,
        streams: Streams,
        slot: str,
        max_calls: int,
        drain_seconds: float = 10.0,
        claim_seconds: float = CLAIM_SECONDS,
        taken_seconds: float = TAKEN_SECONDS,
        new_call: NewCall = openai_call,
        jitter: float = 0.5,
        spool_dir: Path | None = None,
        recordings: RecordingFiles | None = None,
    ) -> None:
        self.holder = Holder(new_id("process"), slot)
        notifications.present_as = self.holder.name
        self.max_calls = max_calls
        self.counters = Counters()
        self.measured = Measured()
        self.journal = Journal(
            database, holder=self.holder.name, on_superseded=self.let_go, spool_dir=spool_dir
        )
        self.recorder = Recorder(recordings, self.journal.add)
        self.lag = LoopLag()
        self.draining = False
        self.closed = False
        self._tools = tools
        self._drain_seconds = drain_seconds
        self._claim_seconds = claim_seconds
        self._new_call = new_call
        self._held: dict[str, Held] = {}
        self._released: dict[str, float] = {}
        """When, by call, in that order."""
        self._errands = Errands(
            self,
            self._held,
            models=ModelSessions(model, database, notifications, self.counters),
            streams=streams,
            tools=tools,
            transfers=transfers,
            endings=Endings(twilio, transfers, self.journal, self.recorder, self.counters),
        )
        self._rows = RowCloser(database, lambda: self.journal.behind, holder=self.holder.name)
        self._moves = Moves(database, notifications, streams, self, taken_seconds=taken_seconds)
        self.placing = Placing(database, notifications, self)
        self._intake = CommandIntake(database, notifications, self, self._moves, self.placing)
        self._orphans = Orphans(database, notifications, self._moves, self, jitter=jitter)
        self._janitor = Janitor(database)

    def start(self) -> None:
        self.journal.start()
        self.lag.start()
        self._rows.start()
        self._intake.start()
        self._orphans.start()
        self._janitor.start()

    async def drain(self) -> None:
        """Take no more calls, let those that are up finish for `drain_seconds`, then have other processes
        take them over; where there is none, they end with an apology.

        Must be over before the web server closes its sockets."""
        self.draining = True
        for held in list(self._held.values()):
            if not held.claimed and held.live.answered_at is None:
                self._discard(held)
        await self._until_empty(self._drain_seconds)
        await asyncio.gather(*(self._leave(held) for held in list(self._held.values())))
        await self._until_empty(ENDINGS_SECONDS)

    async def _leave(self, held: Held) -> None:
        if await self._moves.give_away(held, self.journal):
            self.counters.calls_moved += 1
            quiet = held.live.quiet
            self._discard(held)
            held.live.close_legs()
            if not quiet:
                await self._moves.broken_off(held.row_id)
        elif held.row_id in self._held:
            held.live.hang_up(EndReason.DRAINING)

    async def aclose(self) -> None:
        """End what `drain` has left, write what is unwritten, stop everything."""
        if not self.draining:
            await self.drain()
        await self._intake.stop()
        await self._orphans.stop()
        await self._janitor.stop()
        for held in list(self._held.values()):
            held.stop_waiting()
            held.live.close_legs()
        await self._errands.stop()
        self._held.clear()
        await self._tools.stop(TOOLS_SECONDS)
        await self.recorder.stop()
        await self.journal.stop(5.0)
        await self._rows.stop()
        self.lag.stop()

    # What metrics and other processes' commands ask.

    @property
    def count(self) -> int:
        """Calls that this process holds, those included that are being set up or ended."""
        return len(self._held)

    @property
    def full(self) -> bool:
        """No call is taken: there are enough, or the process is stopping."""
        return self.draining or self.closed or len(self._held) >= self.max_calls

    def take_calls(self, take: bool) -> None:
        """Whether new calls are taken, until told otherwise; those that are up go on."""
        self.closed = not take

    async def all_released(self) -> None:
        """Wait until no call is held."""
        while self._held:
            await next(iter(self._held.values())).done.wait()

    def holds(self, call_id: str) -> bool:
        return call_id in self._held

    def held_lately(self) -> Set[str]:
        """Those that are held, and those that were until a moment ago: a command may cross with the end."""
        long_ago = asyncio.get_running_loop().time() - LATELY_SECONDS
        while self._released and next(iter(self._released.values())) < long_ago:
            del self._released[next(iter(self._released))]
        return self._held.keys() | self._released.keys()

    def held(self, call_id: str) -> Held | None:
        return self._held.get(call_id)

    def find(self, call_id: str) -> LiveCall | None:
        held = self._held.get(call_id)
        return None if held is None else held.live

    # The life of a call.

    def prepare(self, row: Call, agent: AgentSnapshot) -> bool:
        """Hold a place for the call and begin to open its model session. False: this process is full,
        overloaded or stopping.

        A session that nobody claims in time is closed: 10 s after the answer, or when the phone stops
        ringing."""
        if row.id in self._held:
            return True
        if self.lag.overloaded:
            self.counters.calls_refused_overloaded += 1
            return False
        held = self._admit(row, agent)
        if held is None:
            return False
        self._wait_for_claim(held, RING_SECONDS if row.direction == "outbound" else self._claim_seconds)
        self.counters.calls_prepared += 1
        return True

    def resume(self, row: Call, agent: AgentSnapshot, past: Past) -> bool:
        """Take up a call that another process had, and hold it until its media stream comes. That one is
        gone, has not answered, or gives it away: it is not waited for again. False: no room."""
        if row.id in self._held:
            return True
        held = self._admit(row, agent, past=past)
        if held is None:
            return False
        self._wait_for_claim(held, self._claim_seconds)
        if row.answered_at is not None:
            held.live.answered(row.answered_at)
        self.counters.calls_resumed += 1
        return True

    def offered(self, call_id: str) -> bool:
        """Twilio was told to open another media stream for the call. False: it is not held here."""
        held = self._held.get(call_id)
        if held is None or held.live.ending is not None:
            return False
        held.live.stream_offered()
        return True

    def answered(self, call_id: str, at: dt.datetime) -> bool:
        """The TwiML that answers the call goes out. False: the call is not held here."""
        held = self._held.get(call_id)
        if held is None:
            return False
        if not held.claimed:
            self._wait_for_claim(held, self._claim_seconds)
        held.live.answered(at)
        return True

    def claim(
        self, row: Call, agent: AgentSnapshot | None = None, past: Past | None = None
    ) -> LiveCall | None:
        """A media stream of the call is here, and its token was used up. A session of its own is opened for
        its `agent` where none is warm. None: no room."""
        held = self._held.get(row.id)
        if held is None and agent is not None:
            held = self._admit(row, agent, past=past, warm_elsewhere=True)
        if held is None or held.live.ending is not None:
            return None
        held.stop_waiting()
        held.claimed = True
        held.row = row
        held.live.attach_number = row.attach_number
        held.live.recorded_part = row.attach_number if held.agent.config.record else None
        held.call_sid = row.twilio_call_sid
        if row.attach_offers and row.after_stream_token is None:
            held.live.replaced_at = asyncio.get_running_loop().time()  # by whoever asked Twilio by REST
        if row.answered_at is not None:
            held.live.answered(row.answered_at)
        self.counters.streams_started += 1
        return held.live

    def hang_up(self, call_id: str, reason: EndReason) -> bool:
        held = self._held.get(call_id)
        if held is None:
            return False
        held.live.hang_up(reason)
        return True

    def take(self, call_id: str, event: Event) -> bool:
        """What somebody else knows, or wants of the call. False: not held here."""
        held = self._held.get(call_id)
        if held is None:
            return False
        held.live.take(event)
        return True

    def let_go(self, call_id: str, attach_number: int) -> bool:
        """Another process has that media stream of the call. False: it is this one that has it."""
        held = self._held.get(call_id)
        if held is None:
            return True
        if held.live.attach_number >= attach_number:
            return False
        self.counters.calls_let_go += 1
        self._discard(held)
        held.live.close_legs()
        return True

    def abandon(self, call_id: str) -> None:
        """The call that was to be taken over did not come."""
        held = self._held.get(call_id)
        if held is not None and not held.claimed:
            self._discard(held)

    async def over(self, call_id: str, timeout_s: float = 3.0) -> bool:
        """Twilio says that the call has ended; returns once what it had to tell is written. False: not held
        here."""
        held = self._held.get(call_id)
        if held is None:
            return False
        if held.live.answered_at is None:
            self._discard(held)
        else:
            held.live.over()
        try:
            async with asyncio.timeout(timeout_s):
                await held.done.wait()
        except TimeoutError:
            log.warning("call_slow_to_end", call_id=call_id)
        return True

    def _admit(
        self, row: Call, agent: AgentSnapshot, *, past: Past | None = None, warm_elsewhere: bool = False
    ) -> Held | None:
        if self.full:
            self.counters.calls_refused_full += 1
            return None
        live = LiveCall(
            row.id,
            self._new_call(self._tools.with_secrets(agent), row.max_call_seconds, past),
            journal=self.measured.before(self.journal.add),
            counters=self.counters,
            deeds=self._errands,
            attach_number=row.attach_number,
        )
        held = self._held[row.id] = Held(live, row, agent)
        held.warm_elsewhere = warm_elsewhere
        live.prepare()
        return held

    def _wait_for_claim(self, held: Held, seconds: float) -> None:
        held.stop_waiting()
        held.claim_timer = asyncio.get_running_loop().call_later(seconds, self._unclaimed, held)

    def _unclaimed(self, held: Held) -> None:
        self.counters.calls_unclaimed += 1
        self._discard(held)

    def _discard(self, held: Held) -> None:
        if held.live.ending is None:
            for session, task in list(held.sessions.items()):
                if session not in held.live.open_sessions:
                    task.cancel()
            held.live.discard()
            self.release(held)

    # What its errands tell of a call.

    def release(self, held: Held) -> None:
        """The call is held here no more."""
        held.stop_waiting()
        self.measured.call_left(held.row_id)
        self._held.pop(held.row_id, None)
        self._released.pop(held.row_id, None)
        self._released[held.row_id] = asyncio.get_running_loop().time()
        held.done.set()

    def ended(self, held: Held, reason: EndReason, *, over: bool) -> None:
        """`over`: it does not go on without us, either."""
        self.measured.call_ended(reason)
        log.info("call_ended", call_id=held.row_id, reason=str(reason))
        if over:
            self._rows.close_unless_twilio_does(held.row_id, reason)

    async def _until_empty(self, timeout_s: float) -> None:
        waiting = [asyncio.ensure_future(held.done.wait()) for held in self._held.values()]
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=timeout_s)
            for waiter in late:
                waiter.cancel()
