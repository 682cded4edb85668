"""One call that is up: carries frames between its two legs and does what its `Call` wants done.

All of it is synchronous. Per frame there is no task, await, lock, log line or database access.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Collection
from pathlib import Path

import structlog

from bridge.call.commands import (
    CheckTransfer,
    CloseModel,
    Command,
    EndCall,
    MoveStream,
    OpenModel,
    Record,
    RunTool,
    SaveLine,
    SaveTotals,
    SendToModel,
    SendToPhone,
    StreamWorks,
    UseModel,
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
    Prepared,
    StreamEnded,
    StreamOffered,
    StreamStarted,
    ToolReturned,
)
from bridge.runtime.counters import Counters
from bridge.runtime.deeds import Deeds, have_done
from bridge.runtime.driven_call import DrivenCall
from bridge.runtime.entries import entry_of
from bridge.runtime.heartbeat import Heartbeat
from bridge.runtime.legs import Leg, Lines, StreamLeg
from bridge.runtime.moment import Moment
from bridge.wire import twilio
from database.journal import Entry

NOTE_SECONDS = 1.0
"""What is heard is written down so often while it is being said: a process that is killed cannot tell."""
REPLACED_SECONDS = 5.0
"""After a media stream was asked for by REST, `stop` on another one is no hang-up."""

log = structlog.get_logger(__name__)


class LiveCall:
    def __init__(
        self,
        call_id: str,
        call: DrivenCall,
        *,
        journal: Callable[[Entry], None],
        counters: Counters,
        deeds: Deeds[LiveCall],
        attach_number: int = 0,
    ) -> None:
        self.call_id = call_id
        self.answered_at: dt.datetime | None = None
        self.attach_number = attach_number
        """Of the media stream that is here, or of the last one before the one to come."""
        self.replaced_at: float | None = None
        """When Twilio was last told by REST to open another media stream: one that is here gets `stop`."""
        self.leaving = False
        """Another process takes the call over: a `stop` is no hang-up."""
        self.phone: StreamLeg | None = None
        self.model: Leg | None = None
        """Of the session that has the call."""
        self.ending: EndCall | None = None
        self.recorded_part: int | None = None
        """What the media stream that is here is recorded as; None: it is not."""
        self._call = call
        self._journal = journal
        self._counters = counters
        self._deeds = deeds
        self._models: dict[int, Leg] = {}
        """Open sockets of the voice model's, by their sessions' numbers."""
        self._used_model = 0
        self._unwanted: set[int] = set()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float | None = None
        self._stopped = False
        self._quiet_moment: Moment | None = None
        self._pulse = Heartbeat.here(NOTE_SECONDS)
        self.model_used = Moment()
        """A session of the voice model has the call."""
        self.phone_gone = Moment(here=True)

    @property
    def quiet(self) -> bool:
        """Nobody would notice if another process had the call from now on."""
        return self._call.quiet

    def quiet_moment(self) -> Moment:
        """Is set when nobody would notice, and when the call ends."""
        self._quiet_moment = Moment()
        self._look_for_quiet()
        return self._quiet_moment

    def _look_for_quiet(self) -> None:
        if self._quiet_moment is not None and (self.ending is not None or self._call.quiet):
            self._quiet_moment.set()

    @property
    def open_sessions(self) -> Collection[int]:
        return self._models.keys()

    def prepare(self) -> None:
        """Begin to open the voice model's session."""
        self._handle(Prepared())

    # What the phone says.

    def stream_started(self, phone: StreamLeg, stream_sid: str) -> None:
        if self.phone is not None:
            old = self.phone
            self.phone_ended(old)
            old.close()
        self.phone = phone
        self._stopped = False
        self.phone_gone.clear()
        self._pulse.join(self)
        self._join()
        self._handle(StreamStarted(stream_sid))

    def stream_offered(self) -> None:
        """Twilio was told to open another media stream."""
        self._handle(StreamOffered())

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
        name = twilio.mark_name(text)
        if name is not None and self._call.mark_passed(name):
            return
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

    def beat(self, *, late: bool) -> None:
        """All calls take such notes one after the other, which takes less than each at a time of its own."""
        try:
            self._do(self._call.note_heard(self._loop.time()))
        except Exception as error:
            self._broken(error)

    def phone_ended(self, phone: StreamLeg) -> None:
        """That media socket is gone; another one may have taken its place."""
        if phone is not self.phone:
            return
        self.phone = None
        self._pulse.leave(self)
        self.phone_gone.set()
        self._counters.agent_frames_dropped += phone.dropped
        self._counters.phone_messages_malformed += phone.malformed
        if not self.leaving:
            replaced = (
                self.replaced_at is not None and self._loop.time() - self.replaced_at < REPLACED_SECONDS
            )
            self._handle(StreamEnded(stopped=self._stopped and not replaced, silent=phone.silent))
            if self._stopped and replaced:
                self._handle(StreamOffered())

    # What the model says.

    def model_opened(self, session: int, model: Leg) -> bool:
        """False: it is no longer wanted."""
        if self.ending is not None or session in self._unwanted:
            return False
        self._models[session] = model
        self._counters.model_sessions_opened += 1
        self._handle(ModelOpened(session))
        return True

    def model_unreachable(self, session: int, *, refused: bool, code: str, message: str) -> None:
        self._handle(ModelUnreachable(refused, code, message, session))

    def model_texts(self, session: int, texts: list[str]) -> None:
        """What one read of a socket of the model's held."""
        if self.ending is not None:
            return
        now = self._loop.time()
        call, phone = self._call, self.phone
        try:
            for taken, text in enumerate(texts):
                frames = call.agent_audio(text, now) if session == self._used_model else None
                if frames is None:
                    self._do(call.handle(ModelSaid(texts[taken:], session), now))
                    self._after()
                    return
                if phone is not None:
                    for frame in frames:
                        phone.send(frame)
            if phone is not None:
                phone.flush()
            if call.first_audio_pending:
                self._after()
        except Exception as error:
            self._broken(error)

    def model_closed(self, session: int, code: int, reason: str) -> None:
        """The model ended a session, or it broke; one that we close is not reported."""
        self._forget_model(session)
        self._handle(ModelClosed(code, reason, session))

    # What others say.

    def answered(self, at: dt.datetime) -> None:
        if self.answered_at is None:
            self.answered_at = at
            seconds_ago = (dt.datetime.now(dt.UTC) - at).total_seconds()
            self._handle(Answered(max(0.0, seconds_ago)))

    def hang_up(self, reason: EndReason) -> None:
        self._handle(HangUpRequested(reason))

    def take(self, event: Event) -> None:
        """What somebody else knows, or wants of the call."""
        self._handle(event)

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
        self._close_models()
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
        for model in self._models.values():
            model.flush()
        self._look_for_quiet()
        self._watch_deadline()

    def _perform(self, command: Command) -> None:
        match command:
            case SendToPhone(text):
                if self.phone is not None:
                    self.phone.send(text)
            case SendToModel(text, session):
                if session in self._models:
                    self._models[session].send(text)
            case UseModel(session):
                self._used_model, self.model = session, self._models.get(session)
                self._join()
                self.model_used.set()
            case CloseModel(session):
                self._close_model(session)
            case OpenModel() | MoveStream() | RunTool() | CheckTransfer():
                have_done(self._deeds, self, command)
            case EndCall():
                self._end(command)
            case Record() | SaveLine() | SaveTotals() | StreamWorks():
                if isinstance(command, Record):
                    self._counters.count_event(command.type)
                at, number = self.answered_at, self.attach_number
                self._journal(entry_of(command, self.call_id, attach_number=number, answered_at=at))

    def _end(self, ending: EndCall) -> None:
        if self.ending is None:
            self.ending = ending
            self._let_go()
            self._deeds.end_call(self, ending)

    def _let_go(self) -> None:
        """The model is paid by the minute; the phone stays until Twilio has been told what comes next."""
        self._close_models()
        self._pulse.leave(self)
        self._look_for_quiet()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = self._timer_at = None

    def _close_models(self) -> None:
        for session in list(self._models):
            self._close_model(session)

    def _close_model(self, session: int) -> None:
        """Or give up opening it."""
        self._unwanted.add(session)
        model = self._forget_model(session)
        if model is not None:
            model.close()

    def _forget_model(self, session: int) -> Leg | None:
        model = self._models.pop(session, None)
        if model is not None:
            self._counters.caller_frames_dropped += model.dropped
            self._counters.model_messages_malformed += model.malformed
            if session == self._used_model:
                self.model = None
                self._join()
        return model

    def _join(self) -> None:
        if self.phone is not None:
            self.phone.join(Lines(self._call.line, self._call.agent_line), self.model)

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
