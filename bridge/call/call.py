"""One phone call from ring to hang-up: plain synchronous decisions, no clock, no dice, no I/O."""

from __future__ import annotations

from collections.abc import Callable

from bridge.call.agent import AgentSnapshot
from bridge.call.agent_keys import AgentKeys
from bridge.call.bounds import Bounds
from bridge.call.caller_keys import CallerKeys
from bridge.call.caller_line import CallerLine
from bridge.call.clock import CallClock
from bridge.call.commands import Command, OpenModel, SendToPhone
from bridge.call.conversation import Conversation
from bridge.call.course import Course
from bridge.call.deadlines import Deadlines, Waiters
from bridge.call.diversions import Diversions
from bridge.call.ending import EndReason
from bridge.call.engine import (
    CallerStartedSpeaking,
    CallerStoppedSpeaking,
    Engine,
    ModelEvent,
    RemoteToolCalled,
    RemoteToolReturned,
    ResponseEnded,
    ResponseStarted,
    SessionFailed,
    SessionReady,
    ToolCalled,
    UsageCounted,
)
from bridge.call.events import (
    Answered,
    BrokenOff,
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
from bridge.call.handover import Handover
from bridge.call.limits import LIMITS, CallLimits
from bridge.call.media_streams import MediaStreams
from bridge.call.model_failures import ModelFailures
from bridge.call.past import Past
from bridge.call.remote_tools import RemoteTools
from bridge.call.sessions import Session, Sessions
from bridge.call.tool_calls import ToolCalls
from bridge.call.tools import SendDtmfTool
from bridge.call.unread import Unread
from bridge.call.waiting import Waiting


class Call:
    """What happens on one call. Feed it events and frames with the monotonic time; carry out what it returns.

    Never raises on anything that a peer can send.
    """

    def __init__(
        self,
        agent: AgentSnapshot,
        new_engine: Callable[[], Engine],
        *,
        max_call_seconds: int | None = None,
        past: Past | None = None,
        limits: CallLimits = LIMITS,
        chance: Callable[[], float] = lambda: 0.5,
    ) -> None:
        """`past`: another process had the call until now. `chance`: a number from 0 to 1, for jitter."""
        self.first_audio_pending = False
        """Frames just returned begin a response: call `first_audio_written` once they are out."""
        config, had = agent.config, past or Past()
        self._limits = limits
        self._presses_keys = any(isinstance(tool, SendDtmfTool) for tool in config.tools)
        self._deadline: float | None = None
        self._deadline_known = False

        self._out: list[Command] = []
        out = self._out
        self._clock = clock = CallClock()
        self._model = model = Sessions(new_engine, clock, out, limits, chance)
        self.line = line = CallerLine(model.engine)
        """The caller's audio; whoever has both sockets may splice it, and the agent's."""
        self.caller_audio: Callable[[str], str | None] = line.frame
        """Takes a frame of the media socket. Returns what to send to the model ('' for nothing: it is kept
        until the session is ready, or came too late), or None when the frame is no caller audio and is to be
        decoded and handled."""
        self._talk = talk = Conversation(config, model, line, clock, out, agent.prices, had)
        self.agent_line = talk.agent_line
        self._unread = Unread(model, talk)
        self._course = course = Course(agent.lines, model, talk, line, clock, out, limits)
        self._tools = tools = ToolCalls(config, model, talk, clock, out, limits)
        self._remote_tools = RemoteTools(talk, clock, out)
        self._bounds = Bounds(config, max_call_seconds, talk, tools, line, clock, course)
        self._handover = handover = Handover(config, model, talk, tools, line, clock, out, past)
        self._waiting = waiting = Waiting(agent.lines, model, talk, tools, line, clock, limits)
        self._failures = ModelFailures(model, talk, self._remote_tools, waiting, course)
        self._streams = MediaStreams(
            model, talk, handover, line, clock, out, limits, course, elsewhere=past is not None
        )
        self._caller_keys = CallerKeys(config, model, talk, handover, clock)
        self._agent_keys = AgentKeys(model, talk, clock, out)
        self._diversions = Diversions(config, model, talk, handover.protection, clock, out, limits, course)
        self._deadlines = Deadlines(
            Waiters(
                course, talk, self._streams, model, handover, self._failures, self._bounds, waiting,
                self._caller_keys, self._agent_keys, self._diversions, tools, line,
            )
        )  # fmt: skip

    @property
    def deadline(self) -> float | None:
        """Monotonic seconds at which `DeadlinePassed` is due; None: nothing is waited for."""
        if not self._deadline_known:
            self._deadline, self._deadline_known = self._deadlines.next(), True
        return self._deadline

    @property
    def ended(self) -> bool:
        return self._course.ended

    @property
    def quiet(self) -> bool:
        """Nobody would notice if somebody else had the call from now on."""
        busy = self._tools.any_running or self._caller_keys.begun or self._course.closing is not None
        return self._talk.quiet and not busy

    # Audio, many times a second

    def agent_audio(self, text: str, now: float) -> list[str] | None:
        """A frame of the socket of the session that has the call. Returns the frames for the phone (possibly
        none), or None when it is no agent audio and is to be handled as `ModelSaid`."""
        audio = self._model.engine.audio(text)
        if audio is None:
            return [] if not self._waiting.says_nothing and self._unread.take(text) else None
        if not audio.payload or self._course.silenced:
            return []
        self._clock.now = now
        frames, first = self._talk.agent_audio(audio.item_id, audio.payload)
        self.first_audio_pending = self.first_audio_pending or first
        return frames

    def mark_passed(self, name: str) -> bool:
        """A mark that Twilio sent back, from which nothing follows but that more was heard. False: it may be
        another, and is to be handled."""
        if self._course.closing is not None or self._waiting.says_nothing:
            return False
        return self._talk.mark_passed(name)

    def note_heard(self, now: float) -> list[Command]:
        """What the caller has heard of what is being said now, to be known if nobody can say it later."""
        if self._course.ended or not self._talk.playing:
            return []
        self._clock.now = now
        self._unread.read()
        self._talk.heard_so_far.note()
        return self._take_out()

    def first_audio_written(self, now: float) -> list[Command]:
        """The frames that begin a response are out."""
        self.first_audio_pending = False
        self._talk.first_audio_written(now)
        self._course.first_audio_written(now)
        return self._take_out()

    # Everything else

    def handle(self, event: Event, now: float) -> list[Command]:
        """Takes in what happened; returns what is to be done, in order."""
        self._handle(event, now)
        self.agent_line.shut()
        return self._take_out()

    def _handle(self, event: Event, now: float) -> None:
        if not self._course.ended:
            self._clock.now = now
            self._unread.read()
            if not self._take_in(event):
                return
        self._deadline_known = False
        if not self._course.ended:
            self._talk.take_stock()
            self._agent_keys.take_stock()
            self._caller_keys.tell()
            self._handover.end_protection()
            self._take_over_quietly()
            self._failures.mind_silence()
            self._course.end_when_heard()
        elif isinstance(event, ToolReturned):
            self._clock.now = now
            self._tool_returned(event)
            self._talk.take_stock()

    def _take_out(self) -> list[Command]:
        out = list(self._out)
        self._out.clear()
        return out

    def _take_in(self, event: Event) -> bool:
        """False: nothing follows from it, as from most of what comes while the agent speaks."""
        match event:
            case ModelSaid():
                return self._model_said(event)
            case MarkReturned():
                told = self._talk.mark_returned(event.name)
                return told or self._course.closing is not None or self._waiting.says_nothing
            case ModelClosed():
                self._failures.closed(event)
            case DeadlinePassed():
                self._deadlines.act(self._clock.now)
            case BrokenOff():
                self._handover.broken_off()
            case ToolReturned():
                self._tool_returned(event)
            case _ if self._course.gone is None:
                self._take_in_from_outside(event)
                self._diversions.take_in(event)
            case _:
                pass
        return True

    def _take_in_from_outside(self, event: Event) -> None:
        """What happens to a call that somebody is on, or is about to be."""
        match event:
            case DtmfReceived():
                self._course.keep_talking()
                self._caller_keys.pressed(event.digit)
            case Prepared():
                self._out.append(OpenModel(1, self._limits.session_opens))
            case Answered():
                self._answered(event.seconds_ago)
            case StreamStarted():
                self._stream_started(event.stream_sid)
            case StreamEnded():
                self._streams.ended(event)
            case StreamOffered():
                self._streams.offered()
            case CallOver():
                answered = self._clock.answered_at is not None
                self._course.caller_gone(EndReason.CALLER_HUNG_UP if answered else EndReason.NOT_ANSWERED)
            case HangUpRequested():
                self._course.end(event.reason)
            case ModelOpened():
                session = self._model.numbered(event.session)
                if session is not None:
                    self._handover.opened(session)
            case ModelUnreachable():
                self._failures.unreachable(event)
            case _:
                pass

    # The phone

    def _answered(self, seconds_ago: float = 0.0) -> None:
        if self._clock.answered_at is None:
            self._clock.answered_at = self._clock.now - seconds_ago
            if self._model.ready:
                self._handover.speak_if_due()

    def _stream_started(self, stream_sid: str) -> None:
        if not self.line.connected:
            self._answered()
            self.first_audio_pending = self._streams.started(stream_sid)

    # What the model says

    def _model_said(self, event: ModelSaid) -> bool:
        """False: nothing follows from it but what is to be heard."""
        follows = False
        for text in event.texts:
            session = self._model.numbered(event.session)
            if session is None or self._course.ended:
                break
            frames = self.agent_audio(text, self._clock.now) if session is self._model.current else None
            if frames is None:
                follows |= self._model_message(session, text)
            else:
                self._out.extend(SendToPhone(frame) for frame in frames)
        return follows

    def _model_message(self, session: Session, text: str) -> bool:
        """False: nothing follows from it."""
        self._unread.read()
        happened, frames = session.engine.received(text)
        self._model.send_to(session, frames)
        for said in happened:
            if self._course.ended:
                break
            if isinstance(said, SessionReady):
                self._handover.ready(session)
                self._diversions.session_ready()
            elif isinstance(said, SessionFailed):
                self._failures.session_failed(session, said)
            elif session is self._model.current:
                self._model_event(said)
        return bool(happened or frames)

    def _model_event(self, event: ModelEvent) -> None:
        talk = self._talk
        match event:
            case CallerStartedSpeaking():
                self._diversions.answering.machine_speaks()
                talk.caller_started(event)
                if event.interrupts:
                    self._course.keep_talking()
            case CallerStoppedSpeaking():
                self._diversions.answering.machine_pauses(self._clock.now)
                talk.take_in(event)
            case ResponseStarted():
                self._response_started(event)
            case ResponseEnded():
                self._response_ended(event)
            case ToolCalled():
                self._tool_called(event)
            case RemoteToolCalled():
                self._remote_tools.called(event)
            case RemoteToolReturned():
                self._remote_tools.returned(event)
            case UsageCounted():
                talk.take_in(event)
                self._bounds.mind_the_cost()
            case _:
                talk.take_in(event)

    def _response_started(self, event: ResponseStarted) -> None:
        self._talk.response_started(event)
        self._diversions.response_started(event.purpose)
        if self._course.gone is not None or self._diversions.is_out_of_place(event.purpose):
            self._model.send(self._model.engine.stop_speaking())
        self._course.response_started(event)

    def _response_ended(self, event: ResponseEnded) -> None:
        broken = event.status in ("failed", "cancelled")
        self._handover.greeting_said |= event.status == "completed"
        self._talk.response_ended(more_to_come=broken or self._tools.any_running)
        self._course.response_ended(event)
        self._failures.response_ended(event)

    def _take_over_quietly(self) -> None:
        if self._model.successor_ready and self.quiet:
            self._handover.take_over()

    # Tools

    def _tool_called(self, event: ToolCalled) -> None:
        self._talk.record("tool.called", name=event.name, tool_call_id=event.tool_call_id)
        self._talk.caller.answered()
        if event.name == "send_dtmf" and self._presses_keys:
            self._agent_keys.called(event)
        elif event.name not in ("end_call", "transfer_call", "report_voicemail"):
            self._tools.called(event)
        elif not self._course.goes_on:
            return
        elif event.name == "end_call":
            self._course.agent_hangs_up(event.tool_call_id)
        else:
            self._diversions.tool_called(event)

    def _tool_returned(self, event: ToolReturned) -> None:
        """What a tool did is known even after the call; whether the model is told depends on its being
        there."""
        course = self._course
        up = not course.ended and course.gone is None
        self._tools.returned(event, listens=up and self._model.ready, goes_on=up and course.closing is None)
