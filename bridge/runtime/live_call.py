"""One call that is up: carries frames between its two legs and does what its `Call` wants done.

All of it is synchronous. Per frame there is no task, await, lock, log line or database access.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import structlog

from bridge.call.commands import (
    CloseModel,
    Command,
    EndCall,
    Record,
    RunTool,
    SaveLine,
    SaveTotals,
    SendToModel,
    SendToPhone,
)
from bridge.call.ending import EndReason
from bridge.call.events import (
    Answered,
    CallOver,
    DeadlinePassed,
    DtmfReceived,
    Event,
    HangUpRequested,
    MarkReturned,
    ModelClosed,
    ModelOpened,
    ModelSaid,
    ModelUnreachable,
    StreamEnded,
    StreamStarted,
    ToolReturned,
)
from bridge.runtime.counters import Counters
from bridge.runtime.legs import Leg
from bridge.wire import twilio
from database.journal import Entry, EventEntry, LineEntry, TotalsEntry

log = structlog.get_logger(__name__)


class DrivenCall(Protocol):
    """What is driven: `bridge.call.call.Call`."""

    @property
    def deadline(self) -> float | None: ...
    @property
    def first_audio_pending(self) -> bool: ...
    def handle(self, event: Event, now: float) -> list[Command]: ...
    def caller_audio(self, text: str) -> str | None: ...
    def agent_audio(self, text: str, now: float) -> Sequence[str] | None: ...
    def first_audio_written(self, now: float) -> list[Command]: ...


class LiveCall:
    """`on_end` is called once, when the call wants to be ended. Afterwards only tools still return."""

    def __init__(
        self,
        call_id: str,
        call: DrivenCall,
        *,
        journal: Callable[[Entry], None],
        counters: Counters,
        on_end: Callable[[LiveCall, EndCall], None],
        on_tool: Callable[[LiveCall, RunTool], None],
    ) -> None:
        self.call_id = call_id
        self.answered_at: dt.datetime | None = None
        self.phone: Leg | None = None
        self.model: Leg | None = None
        self.ending: EndCall | None = None
        self.recorded_part: int | None = None
        """What the media stream that is here is recorded as; None: it is not."""
        self._call = call
        self._journal = journal
        self._counters = counters
        self._on_end = on_end
        self._on_tool = on_tool
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float | None = None
        self._stopped = False
        self.phone_gone = asyncio.Event()
        self.phone_gone.set()

    # What the phone says.

    def stream_started(self, phone: Leg, stream_sid: str) -> None:
        self.phone = phone
        self.phone_gone.clear()
        self._handle(StreamStarted(stream_sid))

    def phone_texts(self, texts: list[str]) -> None:
        """What one read of the media socket held; what it leads to is written at once."""
        try:
            for text in texts:
                if self.ending is not None:
                    break
                frame = self._call.caller_audio(text)
                if frame is None:
                    self._phone_message(text)
                elif frame and self.model is not None:
                    self.model.send(frame)
            if self.model is not None:
                self.model.flush()
        except Exception as error:
            self._broken(error)

    def _phone_message(self, text: str) -> None:
        match twilio.decode(text):
            case twilio.Mark(mark=mark):
                self._handle(MarkReturned(mark.name))
            case twilio.Dtmf(dtmf=dtmf):
                self._handle(DtmfReceived(dtmf.digit))
            case twilio.Stop():
                self._stopped = True
            case twilio.Connected() | twilio.Start() | twilio.Media():
                self._counters.phone_messages_ignored += 1
            case None:
                self._counters.phone_messages_malformed += 1

    def phone_ended(self) -> None:
        """The media socket is gone."""
        phone, self.phone = self.phone, None
        if phone is not None:
            self.phone_gone.set()
            self._counters.agent_frames_dropped += phone.dropped
            self._counters.phone_messages_malformed += phone.malformed
            self._handle(StreamEnded(stopped=self._stopped))

    # What the model says.

    def model_opened(self, model: Leg) -> None:
        self.model = model
        self._counters.model_sessions_opened += 1
        self._handle(ModelOpened())

    def model_unreachable(self, *, refused: bool, code: str, message: str) -> None:
        self._handle(ModelUnreachable(refused=refused, code=code, message=message))

    def model_texts(self, texts: list[str]) -> None:
        """What one read of the model's socket held."""
        now = self._loop.time()
        try:
            for text in texts:
                if self.ending is not None:
                    break
                frames = self._call.agent_audio(text, now)
                if frames is None:
                    self._do(self._call.handle(ModelSaid(text), now))
                elif self.phone is not None:
                    for frame in frames:
                        self.phone.send(frame)
            self._after()
        except Exception as error:
            self._broken(error)

    def model_closed(self, code: int, reason: str) -> None:
        """The model ended its session; one that we close is not reported."""
        self._count_model()
        self._handle(ModelClosed(code, reason))

    # What others say.

    def answered(self, at: dt.datetime) -> None:
        if self.answered_at is None:
            self.answered_at = at
            self._handle(Answered())

    def hang_up(self, reason: EndReason) -> None:
        self._handle(HangUpRequested(reason))

    def over(self) -> None:
        """Twilio says that the call has ended."""
        self._handle(CallOver())

    def tool_returned(self, event: ToolReturned) -> None:
        """Once the call is over its result is written down and no more."""
        self._handle(event)

    def discard(self) -> None:
        """Nobody came for this call: let the model go, without an ending."""
        self.ending = EndCall(EndReason.CANCELED, caller_gone=True)
        self._let_go()

    def close_legs(self) -> None:
        self._close_model()
        if self.phone is not None:
            self.phone.close()

    def _handle(self, event: Event) -> None:
        if self.ending is not None and not isinstance(event, ToolReturned):
            return
        try:
            self._do(self._call.handle(event, self._loop.time()))
            self._after()
        except Exception as error:
            self._broken(error)

    def _do(self, commands: list[Command]) -> None:
        for command in commands:
            self._perform(command)

    def _after(self) -> None:
        """Write all that was sent. Only now is it known when the beginning of a response went out."""
        if self.phone is not None:
            self.phone.flush()
            if self._call.first_audio_pending:
                self._do(self._call.first_audio_written(self._loop.time()))
        if self.model is not None:
            self.model.flush()
        self._watch_deadline()

    def _perform(self, command: Command) -> None:
        match command:
            case SendToPhone(text):
                if self.phone is not None:
                    self.phone.send(text)
            case SendToModel(text):
                if self.model is not None:
                    self.model.send(text)
            case CloseModel():
                self._close_model()
            case Record(type_, offset_ms, data):
                self._journal(EventEntry(self.call_id, self._at(offset_ms), offset_ms, type_, data))
            case SaveLine(item_id, position, role, text, start_ms, end_ms, interrupted):
                self._journal(
                    LineEntry(self.call_id, item_id, position, role, text, start_ms, end_ms, interrupted)
                )
            case SaveTotals(usage, latency, cost):
                self._journal(TotalsEntry(self.call_id, usage, latency, cost))
            case RunTool():
                self._on_tool(self, command)
            case EndCall():
                self._end(command)

    def _at(self, offset_ms: int) -> dt.datetime:
        if self.answered_at is None:
            return dt.datetime.now(dt.UTC)
        return self.answered_at + dt.timedelta(milliseconds=offset_ms)

    def _end(self, ending: EndCall) -> None:
        if self.ending is None:
            self.ending = ending
            self._let_go()
            self._on_end(self, ending)

    def _let_go(self) -> None:
        """The model is paid by the minute; the phone stays until Twilio has been told what comes next."""
        self._close_model()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = self._timer_at = None

    def _close_model(self) -> None:
        model = self._count_model()
        if model is not None:
            model.close()

    def _count_model(self) -> Leg | None:
        model, self.model = self.model, None
        if model is not None:
            self._counters.caller_frames_dropped += model.dropped
            self._counters.model_messages_malformed += model.malformed
        return model

    def _broken(self, error: Exception) -> None:
        """Where it broke is logged; what was said, and the message that may repeat it, is not."""
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = f"{Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}" if place else "?"
        log.error("call_broken", call_id=self.call_id, error=type(error).__name__, where=where)
        self._counters.calls_broken += 1
        self._end(EndCall(EndReason.INTERNAL_ERROR, caller_gone=self.phone is None and self._stopped))

    def _watch_deadline(self) -> None:
        """One timer. A deadline that moved away is noticed when it fires, so moving one costs nothing."""
        deadline = self._call.deadline
        if deadline is None or self.ending is not None:
            return
        if self._timer_at is None or deadline < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = deadline
            self._timer = self._loop.call_at(deadline, self._deadline_passed)

    def _deadline_passed(self) -> None:
        self._timer = self._timer_at = None
        deadline = self._call.deadline
        if deadline is not None and deadline <= self._loop.time():
            self._handle(DeadlinePassed())
        self._watch_deadline()
