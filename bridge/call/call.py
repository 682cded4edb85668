"""One phone call from ring to hang-up: plain synchronous decisions, no clock, no dice, no I/O."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from bridge.call import events
from bridge.call.agent import AgentSnapshot
from bridge.call.agent_keys import AgentKeys
from bridge.call.caller_keys import CallerKeys
from bridge.call.caller_line import CallerLine
from bridge.call.clock import CallClock
from bridge.call.closing import FAREWELLS, GOODBYE, KEPT_TALKING, Closing
from bridge.call.commands import Command, EndCall, MoveStream, OpenModel, StreamWorks
from bridge.call.conversation import Conversation
from bridge.call.diversions import Diversions
from bridge.call.ending import EndReason
from bridge.call.engine import (
    CallerStartedSpeaking,
    CallerStoppedSpeaking,
    Engine,
    ItemText,
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
from bridge.call.events import Event
from bridge.call.handover import Handover
from bridge.call.limits import LIMITS, CallLimits
from bridge.call.past import Past
from bridge.call.remote_tools import RemoteTools
from bridge.call.sessions import Session, Sessions
from bridge.call.tool_calls import ToolCalls
from bridge.call.tools import SendDtmfTool
from bridge.call.voicemail import MESSAGE
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
        self.ended = False
        self.first_audio_pending = False
        """Frames just returned begin a response: call `first_audio_written` once they are out."""

        self._agent = agent.config
        self._lines = agent.lines
        self._limits = limits
        self._max_seconds = max_call_seconds or agent.config.max_call_seconds
        dollars = agent.config.max_cost_per_call
        self._max_cost = None if dollars is None else Decimal(dollars)
        self._out: list[Command] = []
        self._clock = CallClock()
        self._model = Sessions(new_engine, self._clock, self._out, limits, chance)
        self._line = CallerLine(self._model.engine)
        self.caller_audio: Callable[[str], str | None] = self._line.frame
        """Takes a frame of the media socket. Returns what to send to the model ('' for nothing: it is kept
        until the session is ready, or came too late), or None when the frame is no caller audio and is to be
        decoded and handled."""
        had = past or Past()
        self._talk = Conversation(
            agent.config, self._model, self._line, self._clock, self._out, agent.prices, had
        )
        self._tools = ToolCalls(agent.config, self._model, self._talk, self._clock, self._out, limits)
        self._handover = Handover(
            agent.config, self._model, self._talk, self._tools, self._line, self._clock, self._out, past
        )
        self._waiting = Waiting(
            agent.lines, self._model, self._talk, self._tools, self._line, self._clock, limits
        )

        self._caller_keys = CallerKeys(agent.config, self._model, self._talk, self._handover, self._clock)
        self._agent_keys = AgentKeys(self._model, self._talk, self._clock, self._out)
        self._remote_tools = RemoteTools(self._talk, self._clock, self._out)

        self._diversions = Diversions(
            agent.config,
            self._model,
            self._talk,
            self._handover.protection,
            self._clock,
            self._out,
            limits,
            self,
        )

        self._retried = False
        self._given_up: SessionFailed | None = None
        """There will be no voice model."""
        self._stream_lost_at: float | None = None
        self._move_at: float | None = None
        """When Twilio is told to open another media stream, if it does not ask before."""
        self._works_at: float | None = None
        self._streams = 0 if past is None else 1
        self._presses_keys = any(isinstance(tool, SendDtmfTool) for tool in agent.config.tools)
        self._deadline: float | None = None
        self._deadline_known = False
        self.closing: Closing | None = None
        self._gone: tuple[EndReason, float] | None = None
        """The caller has left; until then the transcription of their last words is waited for."""

    @property
    def deadline(self) -> float | None:
        """Monotonic seconds at which `DeadlinePassed` is due; None: nothing is waited for."""
        if not self._deadline_known:
            self._deadline, self._deadline_known = self._next_deadline(), True
        return self._deadline

    @property
    def quiet(self) -> bool:
        """Nobody would notice if somebody else had the call from now on."""
        busy = self._tools.any_running or self._caller_keys.begun or self.closing is not None
        return self._talk.quiet and not busy

    # Audio, many times a second

    def agent_audio(self, text: str, now: float) -> list[str] | None:
        """A frame of the socket of the session that has the call. Returns the frames for the phone (possibly
        none), or None when it is no agent audio and is to be handled as `ModelSaid`."""
        audio = self._model.engine.audio(text)
        if audio is None:
            return None
        if not audio.payload or self.ended or self._gone is not None or self._given_up is not None:
            return []
        self._clock.now = now
        frames, first = self._talk.agent_audio(audio.item_id, audio.payload)
        self.first_audio_pending = self.first_audio_pending or first
        return frames

    def first_audio_written(self, now: float) -> list[Command]:
        """The frames that begin a response are out."""
        self.first_audio_pending = False
        self._talk.first_audio_written(now)
        if self.closing is not None and not self.closing.spoken:
            self.closing.until = now + (self.closing.longest or self._limits.farewell)
        return self._take_out()

    # Everything else

    def handle(self, event: Event, now: float) -> list[Command]:
        """Takes in what happened; returns what is to be done, in order."""
        if not self.ended:
            self._clock.now = now
            if not self._take_in(event):
                return []
        self._deadline_known = False
        if not self.ended:
            self._talk.take_stock()
            self._agent_keys.take_stock()
            self._caller_keys.tell()
            self._handover.end_protection()
            self._mind_the_model()
            self._end_when_done()
        elif isinstance(event, events.ToolReturned):
            self._clock.now = now
            self._tool_returned(event)
            self._talk.take_stock()
        return self._take_out()

    def _take_out(self) -> list[Command]:
        out = list(self._out)
        self._out.clear()
        return out

    def _take_in(self, event: Event) -> bool:
        """False: nothing follows from it, as from most of what comes while the agent speaks."""
        match event:
            case events.ModelSaid():
                return self._model_said(event)
            case events.MarkReturned():
                told = self._talk.mark_returned(event.name)
                return told or self.closing is not None or self._waiting.says_nothing
            case events.ModelClosed():
                self._model_closed(event)
            case events.DeadlinePassed():
                self._deadline_passed()
            case events.BrokenOff():
                self._handover.broken_off()
            case events.ToolReturned():
                self._tool_returned(event)
            case _ if self._gone is None:
                self._take_in_from_outside(event)
                self._diversions.take_in(event)
            case _:
                pass
        return True

    def _take_in_from_outside(self, event: Event) -> None:
        """What happens to a call that somebody is on, or is about to be."""
        match event:
            case events.DtmfReceived():
                self._keep_talking()
                self._caller_keys.pressed(event.digit)
            case events.Prepared():
                self._out.append(OpenModel(1, self._limits.session_opens))
            case events.Answered():
                self._answered(event.seconds_ago)
            case events.StreamStarted():
                self._stream_started(event.stream_sid)
            case events.StreamEnded():
                self._stream_ended(event)
            case events.StreamOffered():
                self._move_at = None
            case events.CallOver():
                answered = self._clock.answered_at is not None
                self._caller_gone(EndReason.CALLER_HUNG_UP if answered else EndReason.NOT_ANSWERED)
            case events.HangUpRequested():
                self._end(event.reason)
            case events.ModelOpened():
                session = self._model.numbered(event.session)
                if session is not None:
                    self._handover.opened(session)
            case events.ModelUnreachable():
                failure = SessionFailed(event.refused, event.code, event.message)
                self._session_failed(self._model.numbered(event.session), failure)
            case _:
                pass

    # The phone

    def _answered(self, seconds_ago: float = 0.0) -> None:
        if self._clock.answered_at is None:
            self._clock.answered_at = self._clock.now - seconds_ago
            if self._model.ready:
                self._handover.speak_if_due()

    def _stream_started(self, stream_sid: str) -> None:
        if self._line.connected:
            return
        self._answered()
        self._streams += 1
        self._clock.stream_started()
        if self._streams == 1:
            self._talk.record("stream.started", stream_sid=stream_sid)
        else:
            lost_at = self._stream_lost_at or self._clock.now
            lost_for_ms = round((self._clock.now - lost_at) * 1000)
            self._talk.record("stream.resumed", stream_sid=stream_sid, lost_for_ms=lost_for_ms)
            self._works_at = self._clock.now + self._limits.stream_works
        self._stream_lost_at = self._move_at = None
        self.first_audio_pending = self._talk.stream_started(stream_sid)
        if self._given_up is not None:
            self._give_up(self._given_up)
        else:
            self._handover.stream_back()

    def _stream_ended(self, event: events.StreamEnded) -> None:
        if event.stopped:
            self._caller_gone(EndReason.CALLER_HUNG_UP)
            return
        if self.closing is not None and self.closing.spoken:
            self._end_closed(self.closing)
            return
        self._talk.record("stream.lost", silent=event.silent)
        self._stream_lost_at, self._works_at = self._clock.now, None
        if event.silent:
            self._out.append(MoveStream())
        else:
            self._move_at = self._clock.now + self._limits.stream_asked
        if self._talk.stream_lost(dead_for=self._limits.stream_dead if event.silent else 0.0):
            self._model.send(self._model.engine.stop_speaking())
            self._talk.take_stock()  # the model must know what was heard before it goes on from there
            self._handover.speak_if_due()

    def _move_stream(self) -> None:
        self._move_at = None
        self._out.append(MoveStream())

    def _stream_works(self) -> None:
        self._works_at = None
        if self._line.stream_ms >= self._limits.stream_works * 500:
            self._out.append(StreamWorks())

    # What the model says

    def _model_said(self, event: events.ModelSaid) -> bool:
        """False: nothing follows from it."""
        session = self._model.numbered(event.session)
        if session is None:
            return False
        happened, frames = session.engine.received(event.text)
        if len(happened) == 1 and isinstance(words := happened[0], ItemText) and not words.final:
            if session is self._model.current:
                self._talk.take_in(words)
            return self._waiting.says_nothing
        self._model.send_to(session, frames)
        for said in happened:
            if self.ended:
                break
            if isinstance(said, SessionReady):
                self._handover.ready(session)
                self._diversions.session_ready()
            elif isinstance(said, SessionFailed):
                self._session_failed(session, said)
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
                    self._keep_talking()
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
                self._mind_the_cost()
            case _:
                talk.take_in(event)

    def _response_started(self, event: ResponseStarted) -> None:
        self._talk.response_started(event)
        self._diversions.response_started(event.purpose)
        if self._gone is not None or self._diversions.is_out_of_place(event.purpose):
            self._model.send(self._model.engine.stop_speaking())
        if self.closing is not None and event.purpose in ("farewell", MESSAGE):
            self.closing.response_id = event.response_id

    def _response_ended(self, event: ResponseEnded) -> None:
        failed, cut = event.status == "failed", event.status == "cancelled"
        self._handover.greeting_said |= event.status == "completed"
        self._talk.response_ended(more_to_come=failed or cut or self._tools.any_running)
        if self.closing is not None and self.closing.response_id == event.response_id:
            self.closing.spoken = True
        if not failed:
            self._retried = self._retried and (cut or self._talk.silent_ms > 0)
            return
        self._talk.record("model.error", code=event.code, message=event.message)
        self._try_again(SessionFailed(False, event.code or "failed", event.message or ""))

    def _try_again(self, failure: SessionFailed) -> None:
        """The same once more; the second time with another session."""
        if self._retried:
            self._retried = False
            self._session_failed(self._model.current, failure)
        elif not self._talk.caller.speaking:
            self._retried = True
            self._talk.due()
            self._model.send(self._model.engine.speak(None, purpose="retry"))

    def _tool_called(self, event: ToolCalled) -> None:
        self._talk.record("tool.called", name=event.name, tool_call_id=event.tool_call_id)
        self._talk.caller.answered()
        if event.name == "send_dtmf" and self._presses_keys:
            self._agent_keys.called(event)
        elif event.name not in ("end_call", "transfer_call", "report_voicemail"):
            self._tools.called(event)
        elif self.closing is not None or self._gone is not None:
            return
        elif event.name != "end_call":
            self._diversions.tool_called(event)
        elif self._talk.spoke_last:
            self._close(EndReason.AGENT_HUNG_UP, spoken=True, tool_call_id=event.tool_call_id)
        else:
            self._close(EndReason.AGENT_HUNG_UP, spoken=False)
            self._model.send(self._model.engine.tool_returned(event.tool_call_id, GOODBYE))
            self._model.send(self._model.engine.speak(None, purpose="farewell"))

    def _tool_returned(self, event: events.ToolReturned) -> None:
        """What a tool did is known even after the call; whether the model is told depends on its being
        there."""
        up = not self.ended and self._gone is None
        self._tools.returned(event, listens=up and self._model.ready, goes_on=up and self.closing is None)

    # When the model fails

    def _model_closed(self, event: events.ModelClosed) -> None:
        session = self._model.numbered(event.session)
        if session is not None:
            self._session_failed(session, session.engine.closed(event.code, event.reason))

    def _session_failed(self, session: Session | None, failure: SessionFailed) -> None:
        """A session was lost, or could not be had. What of its speech is with Twilio is heard to the end."""
        if session is None or self._given_up is not None:
            return
        had_the_call = session is self._model.current
        self._model.failed(session, failure)
        why = {"code": failure.code, "message": failure.message, "refused": failure.refused}
        if not had_the_call:
            self._talk.record("model.unreachable", **why)
        else:
            self._talk.record("model.lost", **why)
            self._talk.session_lost()
            self._remote_tools.model_lost()
            self._waiting.session_lost()
        if self._gone is not None:
            self._end(self._gone[0], caller_gone=True)
        elif self.closing is not None:
            self._last_words_lost(self.closing)
        elif self._model.lost_at is not None and (failure.refused or self._model.lost_too_often):
            self._give_up(failure)

    def _last_words_lost(self, closing: Closing) -> None:
        """The model was to say goodbye, and cannot."""
        goodbye = closing.transfer_to is None and closing.reason is not EndReason.VOICEMAIL
        if goodbye and not closing.spoken and self._line.connected and not self._talk.playing:
            self._talk.say_line(self._lines.closing)
        closing.spoken = True

    def _give_up(self, failure: SessionFailed) -> None:
        """There will be no voice model: the caller is told so, and is connected to somebody, if there is
        anybody."""
        self._given_up = failure
        self._model.close()
        self._line.shut()
        if not self._line.connected:
            return
        self._talk.say_line(self._lines.apology)
        reason = EndReason.MODEL_REFUSED if failure.refused else EndReason.MODEL_LOST
        error = {"code": failure.code, "message": failure.message}
        self._close(reason, spoken=True, error=error)

    def _too_late(self) -> None:
        self._give_up(self._model.failure or SessionFailed(False, "unreachable", "No session could be had."))

    def _opens_too_slowly(self) -> None:
        failure = SessionFailed(False, "timeout", "The session was not ready in time.")
        self._session_failed(self._model.coming or self._model.current, failure)

    def _mind_the_model(self) -> None:
        """A moment to hand over in, or audio in which there is nothing."""
        coming = self._model.coming
        if coming is not None and coming.ready and self._model.lost_at is None and self.quiet:
            self._handover.take_over()
        if self._waiting.says_nothing and not self.ended:
            self._talk.record("model.error", code="silent_audio", message="There is nothing in the audio.")
            self._talk.silence_cut()
            self._model.send(self._model.engine.stop_speaking())
            self._try_again(SessionFailed(False, "silent_audio", "There is nothing in the audio."))

    def _answer_overdue(self) -> None:
        self._talk.record("model.error", code="no_answer", message="The model has not begun to speak.")
        self._waiting.ask_again()
        self._model.send(self._model.engine.stop_speaking())
        self._try_again(SessionFailed(False, "no_answer", "The model does not answer."))

    def _response_endless(self) -> None:
        failure = SessionFailed(False, "endless_response", "A response did not end.")
        self._session_failed(self._model.current, failure)

    # How it ends

    def close(self, closing: Closing) -> None:
        """The call ends, for this reason, when the last words have been heard."""
        self.closing = closing

    def end(self, reason: EndReason) -> None:
        self._end(reason)

    def _end_closed(self, closing: Closing) -> None:
        self._end(closing.reason, error=closing.error, transfer_to=closing.transfer_to)

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
        self.closing = Closing(reason, self._clock.now + begins, spoken, tool_call_id, error)

    def _close_with_words(self, reason: EndReason) -> None:
        if not self._model.ready:
            if self._line.connected:
                self._talk.say_line(self._lines.closing)
            self._close(reason, spoken=True)
            return
        self._close(reason, spoken=False)
        self._model.send(self._model.engine.speak(FAREWELLS[reason], purpose="farewell"))

    def _mind_the_cost(self) -> None:
        cost = None if self._max_cost is None else self._talk.cost()
        if self._max_cost is None or cost is None or cost < self._max_cost:
            return
        if self.closing is None and self._gone is None:
            self._close_with_words(EndReason.COST_LIMIT)

    def _keep_talking(self) -> None:
        """The caller spoke into a goodbye: the conversation goes on, and the agent may end it again."""
        closing = self.closing
        if closing is None or closing.reason not in (EndReason.AGENT_HUNG_UP, EndReason.CALLER_SILENT):
            return
        self.closing = None
        if closing.tool_call_id is not None:
            self._model.send(self._model.engine.tool_returned(closing.tool_call_id, KEPT_TALKING))

    def _end_when_done(self) -> None:
        closing, talk = self.closing, self._talk
        if closing is None or not closing.spoken or talk.response is not None:
            return
        if talk.playing:
            last_mark_due = self._clock.now + talk.unplayed_ms() / 1000 + self._limits.last_mark
            closing.until = min(closing.until, last_mark_due)
        elif talk.settled:
            self._end_closed(closing)

    def _caller_gone(self, reason: EndReason) -> None:
        """Nobody is on the line. What the caller said last may still be on its way to us as text."""
        if self.closing is not None and self.closing.reason is EndReason.VOICEMAIL:
            reason = EndReason.VOICEMAIL
        if not (self._talk.caller.untranscribed and self._model.ready and self._line.connected):
            self._end(reason, caller_gone=True)
            return
        self._gone = (reason, self._clock.now + self._limits.last_words)
        self.closing = None
        self._line.shut()
        self._talk.cut_unheard()
        self._model.send(self._model.engine.stop_speaking())

    def _end(
        self,
        reason: EndReason,
        *,
        caller_gone: bool = False,
        error: dict[str, Any] | None = None,
        transfer_to: str | None = None,
    ) -> None:
        self.ended = True
        self._line.shut()
        self._talk.cut_unheard()
        self._talk.take_stock()
        self._out.append(self._talk.totals())
        self._model.close()
        apologised = self._given_up is not None and self._lines.apology.spoken and self._line.connected
        ending = EndCall(reason, caller_gone, error, transfer_to=transfer_to, apologised=apologised)
        self._out.append(ending)

    # Time

    def _deadline_passed(self) -> None:
        for moment, action in self._waits():
            if moment is not None and self._clock.now >= moment:
                action()
                return

    def _next_deadline(self) -> float | None:
        if self.ended:
            return None
        return min((moment for moment, _ in self._waits() if moment is not None), default=None)

    def _waits(self) -> list[tuple[float | None, Callable[[], None]]]:
        """What is waited for, the most urgent first."""
        if self._gone is not None:
            reason, until = self._gone
            return [(until, lambda: self._end(reason, caller_gone=True))]
        closing, model, waiting = self.closing, self._model, self._waiting
        waits: list[tuple[float | None, Callable[[], None]]] = [
            (self._talk.clear_until, self._talk.clear_took_effect),
            (self._move_at, self._move_stream),
            (self._stream_back_by(), lambda: self._end(EndReason.STREAM_LOST)),
            (self._works_at, self._stream_works),
        ]
        if closing is not None:
            return [(closing.until, lambda: self._end_closed(closing)), *waits]
        if self._given_up is not None:
            return waits
        return [
            *waits,
            (self._diversions.answering.due_at(), self._diversions.no_beep_came),
            (model.ready_by(), self._opens_too_slowly),
            (model.given_up_at(), self._too_late),
            (model.retry_due_at(), self._handover.open_another),
            (model.successor_due_at(), self._handover.open_another),
            (model.hand_over_by(), self._handover.take_over),
            (self._handover.speak_up_at, self._handover.speak_up),
            (self._over_at(), lambda: self._close_with_words(EndReason.MAX_DURATION)),
            (self._silent_at(), lambda: self._close_with_words(EndReason.CALLER_SILENT)),
            (self._filler_at(), self._tools.fill_silence),
            (self._caller_keys.deadline, self._caller_keys.timed_out),
            (self._agent_keys.answer_due_at(), self._agent_keys.go_on),
            (waiting.line_due_at(), waiting.say_line),
            (waiting.answer_due_by(), self._answer_overdue),
            (waiting.response_done_by(), self._response_endless),
        ]

    def _stream_back_by(self) -> float | None:
        return None if self._stream_lost_at is None else self._stream_lost_at + self._limits.stream_back

    def _over_at(self) -> float | None:
        answered_at = self._clock.answered_at
        return None if answered_at is None else answered_at + self._max_seconds

    def _silent_at(self) -> float | None:
        talk = self._talk
        if talk.quiet_since is None or not talk.silent or not self._line.connected or self._tools.any_running:
            return None
        return None if talk.due_since is not None else talk.quiet_since + self._agent.caller_silent_seconds

    def _filler_at(self) -> float | None:
        return self._tools.filler_due_at() if self._model.ready and self._line.connected else None
