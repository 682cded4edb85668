"""One phone call from ring to hang-up: plain synchronous decisions, no clock, no dice, no I/O."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from bridge.call import events
from bridge.call.agent import AgentSnapshot
from bridge.call.caller_line import CallerLine
from bridge.call.clock import CallClock
from bridge.call.closing import FAREWELLS, GOODBYE, KEPT_TALKING, Closing
from bridge.call.commands import CloseModel, Command, EndCall, SendToModel
from bridge.call.conversation import Conversation
from bridge.call.ending import EndReason
from bridge.call.engine import (
    CallerStartedSpeaking,
    Engine,
    ModelEvent,
    ResponseEnded,
    ResponseStarted,
    SessionFailed,
    SessionReady,
    ToolCalled,
    UsageCounted,
)
from bridge.call.events import Event
from bridge.call.limits import LIMITS, CallLimits
from bridge.call.tool_calls import ToolCalls


class Call:
    """What happens on one call. Feed it events and frames with the monotonic time; carry out what it returns.

    Never raises on anything that a peer can send.
    """

    def __init__(
        self,
        agent: AgentSnapshot,
        engine: Engine,
        *,
        max_call_seconds: int | None = None,
        limits: CallLimits = LIMITS,
    ) -> None:
        self.deadline: float | None = None
        """Monotonic seconds at which `DeadlinePassed` is due; None: nothing is waited for."""
        self.ended = False
        self.first_audio_pending = False
        """Frames just returned begin a response: call `first_audio_written` once they are out."""

        self._agent = agent.config
        self._engine = engine
        self._limits = limits
        self._max_seconds = max_call_seconds or agent.config.max_call_seconds
        dollars = agent.config.max_cost_per_call
        self._max_cost = None if dollars is None else Decimal(dollars)
        self._out: list[Command] = []
        self._clock = CallClock()
        self._line = CallerLine(engine)
        self._talk = Conversation(agent.config, engine, self._line, self._clock, self._out, agent.prices)
        self._tools = ToolCalls(agent.config, engine, self._talk, self._clock, self._out, limits)

        self._on_the_line = False
        self._opened_at: float | None = None
        self._ready = False
        self._failure: SessionFailed | None = None
        self._retried = False
        self._protected = agent.config.greeting is not None and not agent.config.greeting_interruptible
        self._closing: Closing | None = None
        self._gone: tuple[EndReason, float] | None = None
        """The caller has left; until then the transcription of their last words is waited for."""

    # Audio, many times a second

    def caller_audio(self, text: str) -> str | None:
        """A frame of the media socket. Returns what to send to the model ('' for nothing: it is kept until
        the session is ready, or came too late), or None when the frame is no caller audio and is to be
        decoded and handled."""
        return self._line.frame(text)

    def agent_audio(self, text: str, now: float) -> list[str] | None:
        """A frame of the model's socket. Returns the frames for the phone (possibly none), or None when it
        is no agent audio and is to be handled as `ModelSaid`."""
        audio = self._engine.audio(text)
        if audio is None:
            return None
        if not audio.payload or self.ended or self._gone is not None:
            return []
        self._clock.now = now
        frames, first = self._talk.agent_audio(audio.item_id, audio.payload)
        self.first_audio_pending = self.first_audio_pending or first
        return frames

    def first_audio_written(self, now: float) -> list[Command]:
        """The frames that begin a response are out."""
        self.first_audio_pending = False
        self._talk.first_audio_written(now)
        if self._closing is not None and not self._closing.spoken:
            self._closing.until = now + self._limits.farewell
        return self._take_out()

    # Everything else

    def handle(self, event: Event, now: float) -> list[Command]:
        """Takes in what happened; returns what is to be done, in order."""
        if not self.ended:
            self._clock.now = now
            self._take_in(event)
        if not self.ended:
            self._talk.take_stock()
            self._end_protection()
            self._end_when_done()
        elif isinstance(event, events.ToolReturned):
            self._clock.now = now
            self._tool_returned(event)
            self._talk.take_stock()
        self.deadline = self._next_deadline()
        return self._take_out()

    def _take_out(self) -> list[Command]:
        out = list(self._out)
        self._out.clear()
        return out

    def _take_in(self, event: Event) -> None:
        match event:
            case events.ModelSaid():
                self._model_said(event.text)
            case events.MarkReturned():
                self._talk.mark_returned(event.name)
            case events.ModelClosed():
                self._model_failed(self._engine.closed(event.code, event.reason))
            case events.DeadlinePassed():
                self._deadline_passed()
            case events.ToolReturned():
                self._tool_returned(event)
            case _ if self._gone is None:
                self._take_in_from_outside(event)
            case _:
                pass

    def _take_in_from_outside(self, event: Event) -> None:
        """What happens to a call that somebody is on, or is about to be."""
        match event:
            case events.DtmfReceived():
                self._talk.quiet_since = self._clock.now
                self._talk.record("dtmf.received", digit=event.digit)
            case events.Answered():
                self._answered()
            case events.StreamStarted():
                self._stream_started(event.stream_sid)
            case events.StreamEnded() if event.stopped:
                self._caller_gone(EndReason.CALLER_HUNG_UP)
            case events.StreamEnded():
                self._end(EndReason.STREAM_LOST)
            case events.CallOver():
                answered = self._clock.answered_at is not None
                self._caller_gone(EndReason.CALLER_HUNG_UP if answered else EndReason.NOT_ANSWERED)
            case events.HangUpRequested():
                self._end(event.reason)
            case events.ModelOpened():
                self._opened_at = self._clock.now
                self._send(self._engine.opened())
            case events.ModelUnreachable():
                self._model_failed(SessionFailed(event.refused, event.code, event.message))
            case _:
                pass

    def _answered(self) -> None:
        if self._clock.answered_at is None:
            self._clock.answered_at = self._clock.now
            self._greet()

    def _stream_started(self, stream_sid: str) -> None:
        if self._on_the_line:
            return
        self._answered()
        self._on_the_line = True
        self._clock.stream_started()
        self._talk.record("stream.started", stream_sid=stream_sid)
        self.first_audio_pending = self._talk.stream_started(stream_sid)
        if self._failure is not None:
            self._model_failed(self._failure)
            return
        self._send(self._engine.stream_started())
        self._listen()

    def _listen(self) -> None:
        if self._ready and self._on_the_line:
            self._send(self._line.open())

    def _greet(self) -> None:
        if self._ready and self._clock.answered_at is not None and self._agent.greeting is not None:
            self._send(self._engine.speak(self._agent.greeting, purpose="greeting"))

    def _end_protection(self) -> None:
        """A greeting that was not to be interrupted has been heard."""
        talk = self._talk
        if self._protected and talk.greeted and talk.response is None and talk.settled:
            self._protected = False
            if self._agent.record and self._agent.recording_announcement is not None:
                talk.record("recording.announced")
            self._send(self._engine.allow_interruption())

    # What the model says

    def _model_said(self, text: str) -> None:
        happened, frames = self._engine.received(text)
        self._send(frames)
        for event in happened:
            if not self.ended:
                self._model_event(event)

    def _model_event(self, event: ModelEvent) -> None:
        talk = self._talk
        match event:
            case SessionReady():
                self._ready = True
                talk.record("model.connected", model=self._agent.model)
                self._greet()
                self._listen()
            case SessionFailed():
                self._model_failed(event)
            case CallerStartedSpeaking():
                talk.caller_started(event)
                if event.interrupts:
                    self._keep_talking()
            case ResponseStarted():
                self._response_started(event)
            case ResponseEnded():
                self._response_ended(event)
            case ToolCalled():
                self._tool_called(event)
            case UsageCounted():
                talk.take_in(event)
                self._mind_the_cost()
            case _:
                talk.take_in(event)

    def _response_started(self, event: ResponseStarted) -> None:
        self._talk.response_started(event)
        if self._gone is not None:
            self._send(self._engine.stop_speaking())
        if self._closing is not None and event.purpose == "farewell":
            self._closing.response_id = event.response_id

    def _response_ended(self, event: ResponseEnded) -> None:
        self._talk.response_ended(event)
        if self._closing is not None and self._closing.response_id == event.response_id:
            self._closing.spoken = True
        if event.status != "failed":
            self._retried = False
            return
        self._talk.record("model.error", code=event.code, message=event.message)
        if self._retried:
            self._model_failed(SessionFailed(False, event.code or "failed", event.message or ""))
        elif not self._talk.caller_speaking:
            self._retried = True
            self._send(self._engine.speak(None, purpose="retry"))

    def _tool_called(self, event: ToolCalled) -> None:
        self._talk.record("tool.called", name=event.name, tool_call_id=event.tool_call_id)
        if event.name != "end_call":
            self._tools.called(event)
        elif self._closing is not None or self._gone is not None:
            return
        elif self._talk.spoke_last:
            self._close(EndReason.AGENT_HUNG_UP, spoken=True, tool_call_id=event.tool_call_id)
        else:
            self._close(EndReason.AGENT_HUNG_UP, spoken=False)
            self._send(self._engine.tool_returned(event.tool_call_id, GOODBYE))
            self._send(self._engine.speak(None, purpose="farewell"))

    def _tool_returned(self, event: events.ToolReturned) -> None:
        """What a tool did is known even after the call; whether the model is told depends on its being
        there."""
        listens = self._ready and not self.ended and self._gone is None
        self._tools.returned(event, listens=listens, goes_on=self._closing is None)

    # How it ends

    def _close(
        self,
        reason: EndReason,
        *,
        spoken: bool,
        tool_call_id: str | None = None,
        error: dict[str, str] | None = None,
    ) -> None:
        """The call ends when the last words have been heard. `spoken`: the model has said them, or is doing
        so."""
        begins = self._limits.farewell if spoken else self._limits.farewell_begins
        self._closing = Closing(reason, self._clock.now + begins, spoken, tool_call_id, error)

    def _close_with_words(self, reason: EndReason) -> None:
        if not self._ready or self._failure is not None:
            self._end(reason)
            return
        self._close(reason, spoken=False)
        self._send(self._engine.speak(FAREWELLS[reason], purpose="farewell"))

    def _mind_the_cost(self) -> None:
        cost = self._talk.cost()
        if self._max_cost is None or cost is None or cost < self._max_cost:
            return
        if self._closing is None and self._gone is None:
            self._close_with_words(EndReason.COST_LIMIT)

    def _keep_talking(self) -> None:
        """The caller spoke into a goodbye: the conversation goes on, and the agent may end it again."""
        closing = self._closing
        if closing is None or closing.reason not in (EndReason.AGENT_HUNG_UP, EndReason.CALLER_SILENT):
            return
        self._closing = None
        if closing.tool_call_id is not None:
            self._send(self._engine.tool_returned(closing.tool_call_id, KEPT_TALKING))

    def _end_when_done(self) -> None:
        closing, talk = self._closing, self._talk
        if closing is None or not closing.spoken or talk.response is not None:
            return
        if talk.playing:
            last_mark_due = self._clock.now + talk.unplayed_ms() / 1000 + self._limits.last_mark
            closing.until = min(closing.until, last_mark_due)
        elif talk.settled:
            self._end(closing.reason, error=closing.error)

    def _model_failed(self, failure: SessionFailed) -> None:
        """The voice model is lost. What of its speech is already with Twilio is heard to the end."""
        self._failure = failure
        self._ready = False
        self._line.shut()
        self._talk.model_lost()
        if self._gone is not None:
            self._end(self._gone[0], caller_gone=True)
        if self.ended or not self._on_the_line:
            return
        self._talk.record("model.lost", code=failure.code, message=failure.message, refused=failure.refused)
        if self._closing is not None:
            self._closing.spoken = True
            return
        reason = EndReason.MODEL_REFUSED if failure.refused else EndReason.MODEL_LOST
        self._close(reason, spoken=True, error={"code": failure.code, "message": failure.message})

    def _caller_gone(self, reason: EndReason) -> None:
        """Nobody is on the line. What the caller said last may still be on its way to us as text."""
        if not (self._talk.untranscribed and self._ready and self._on_the_line):
            self._end(reason, caller_gone=True)
            return
        self._gone = (reason, self._clock.now + self._limits.last_words)
        self._closing = None
        self._line.shut()
        self._talk.cut_unheard()
        self._send(self._engine.stop_speaking())

    def _end(
        self, reason: EndReason, *, caller_gone: bool = False, error: dict[str, Any] | None = None
    ) -> None:
        self.ended = True
        self._line.shut()
        self._talk.cut_unheard()
        self._talk.take_stock()
        self._out.append(self._talk.totals())
        self._out.append(CloseModel())
        self._out.append(EndCall(reason, caller_gone, error))

    # Time

    def _deadline_passed(self) -> None:
        now = self._clock.now
        if self._gone is not None:
            if now >= self._gone[1]:
                self._end(self._gone[0], caller_gone=True)
        elif self._closing is not None and now >= self._closing.until:
            self._end(self._closing.reason, error=self._closing.error)
        elif _is_past(self._talk.clear_until, now):
            self._talk.clear_took_effect()
        elif _is_past(self._ready_by(), now):
            self._model_failed(SessionFailed(False, "timeout", "The session was not ready in time."))
        elif _is_past(self._over_at(), now):
            self._close_with_words(EndReason.MAX_DURATION)
        elif _is_past(self._silent_at(), now):
            self._close_with_words(EndReason.CALLER_SILENT)
        elif _is_past(self._filler_at(), now):
            self._tools.fill_silence()

    def _next_deadline(self) -> float | None:
        if self.ended:
            return None
        if self._gone is not None:
            return self._gone[1]
        waits = [self._talk.clear_until, self._ready_by()]
        if self._closing is not None:
            waits.append(self._closing.until)
        else:
            waits += [self._over_at(), self._silent_at(), self._filler_at()]
        return min((wait for wait in waits if wait is not None), default=None)

    def _ready_by(self) -> float | None:
        if self._ready or self._opened_at is None or self._failure is not None:
            return None
        return self._opened_at + self._limits.session_ready

    def _over_at(self) -> float | None:
        if self._closing is not None or self._clock.answered_at is None:
            return None
        return self._clock.answered_at + self._max_seconds

    def _silent_at(self) -> float | None:
        talk = self._talk
        if self._closing is not None or talk.quiet_since is None or not talk.silent or not self._on_the_line:
            return None
        if self._tools.any_running:
            return None
        return talk.quiet_since + self._agent.caller_silent_seconds

    def _filler_at(self) -> float | None:
        if self._closing is not None or not self._ready or not self._on_the_line:
            return None
        return self._tools.filler_due_at()

    def _send(self, frames: list[str]) -> None:
        self._out.extend(SendToModel(frame) for frame in frames)


def _is_past(moment: float | None, now: float) -> bool:
    return moment is not None and now >= moment
