"""The course of a call: it goes on until something ends it, and what is to be heard before that is heard."""

from __future__ import annotations

from typing import Any

from bridge.call.caller_line import CallerLine
from bridge.call.clock import CallClock
from bridge.call.closing import FAREWELLS, GOODBYE, KEPT_TALKING, Closing
from bridge.call.commands import Command, EndCall
from bridge.call.conversation import Conversation
from bridge.call.ending import EndReason
from bridge.call.engine import ResponseEnded, ResponseStarted, SessionFailed
from bridge.call.limits import CallLimits
from bridge.call.lines import Lines
from bridge.call.sessions import Sessions
from bridge.call.voicemail import MESSAGE


class Course:
    """Appends what is to be done to the call's own list of commands."""

    def __init__(
        self,
        lines: Lines,
        model: Sessions,
        talk: Conversation,
        line: CallerLine,
        clock: CallClock,
        out: list[Command],
        limits: CallLimits,
    ) -> None:
        self.closing: Closing | None = None
        self.gone: tuple[EndReason, float] | None = None
        """The caller has left; until then the transcription of their last words is waited for."""
        self.given_up: SessionFailed | None = None
        """There will be no voice model."""
        self.ended = False
        self.silenced = False
        """Whatever the model says now is for nobody: one of the last three is so."""
        self._lines = lines
        self._model = model
        self._talk = talk
        self._line = line
        self._clock = clock
        self._out = out
        self._limits = limits

    @property
    def goes_on(self) -> bool:
        """Nobody has left, and nothing has begun to end the call."""
        return self.closing is None and self.gone is None

    # Last words

    def close(self, closing: Closing) -> None:
        """The call ends, for this reason, when the last words have been heard."""
        self.closing = closing

    def _close_for(
        self,
        reason: EndReason,
        *,
        spoken: bool,
        tool_call_id: str | None = None,
        error: dict[str, str] | None = None,
    ) -> None:
        """`spoken`: the model has said the last words, or is doing so."""
        begins = self._limits.farewell if spoken else self._limits.farewell_begins
        self.close(Closing(reason, self._clock.now + begins, spoken, tool_call_id, error))

    def agent_hangs_up(self, tool_call_id: str) -> None:
        if self._talk.spoke_last:
            self._close_for(EndReason.AGENT_HUNG_UP, spoken=True, tool_call_id=tool_call_id)
            return
        self._close_for(EndReason.AGENT_HUNG_UP, spoken=False)
        self._model.send(self._model.engine.tool_returned(tool_call_id, GOODBYE))
        self._model.send(self._model.engine.speak(None, purpose="farewell"))

    def wind_up(self, reason: EndReason) -> None:
        """The call may not go on: the caller is told so, by the model if it is there."""
        if not self._model.ready:
            if self._line.connected:
                self._talk.say_line(self._lines.closing)
            self._close_for(reason, spoken=True)
            return
        self._close_for(reason, spoken=False)
        self._model.send(self._model.engine.speak(FAREWELLS[reason], purpose="farewell"))

    def give_up(self, failure: SessionFailed) -> None:
        """There will be no voice model: the caller is told so, and is connected to somebody, if there is
        anybody. Said once more on the next media stream, where there is none now."""
        self.given_up, self.silenced = failure, True
        self._model.close()
        self._line.shut()
        if not self._line.connected:
            return
        self._talk.say_line(self._lines.apology)
        reason = EndReason.MODEL_REFUSED if failure.refused else EndReason.MODEL_LOST
        error = {"code": failure.code, "message": failure.message}
        self._close_for(reason, spoken=True, error=error)

    def keep_talking(self) -> None:
        """The caller spoke into a goodbye: the conversation goes on, and the agent may end it again."""
        closing = self.closing
        if closing is None or closing.reason not in (EndReason.AGENT_HUNG_UP, EndReason.CALLER_SILENT):
            return
        self.closing = None
        if closing.tool_call_id is not None:
            self._model.send(self._model.engine.tool_returned(closing.tool_call_id, KEPT_TALKING))

    # What becomes of them

    def response_started(self, event: ResponseStarted) -> None:
        if self.closing is not None and event.purpose in ("farewell", MESSAGE):
            self.closing.response_id = event.response_id

    def first_audio_written(self, now: float) -> None:
        if self.closing is not None and not self.closing.spoken:
            self.closing.until = now + (self.closing.longest or self._limits.farewell)

    def response_ended(self, event: ResponseEnded) -> None:
        if self.closing is not None and self.closing.response_id == event.response_id:
            self.closing.spoken = True

    def session_lost(self) -> None:
        """The model was to say goodbye, or to write down what the caller said last, and cannot."""
        closing = self.closing
        if self.gone is not None:
            self.end_as_decided()
        elif closing is not None:
            goodbye = closing.transfer_to is None and closing.reason is not EndReason.VOICEMAIL
            if goodbye and not closing.spoken and self._line.connected and not self._talk.playing:
                self._talk.say_line(self._lines.closing)
            closing.spoken = True

    def end_when_heard(self) -> None:
        closing, talk = self.closing, self._talk
        if closing is None or not closing.spoken or talk.response is not None:
            return
        if talk.playing:
            last_mark_due = self._clock.now + talk.unplayed_ms() / 1000 + self._limits.last_mark
            closing.until = min(closing.until, last_mark_due)
        elif talk.settled:
            self.end_as_decided()

    # The end

    def caller_gone(self, reason: EndReason) -> None:
        """Nobody is on the line. What the caller said last may still be on its way to us as text."""
        if self.closing is not None and self.closing.reason is EndReason.VOICEMAIL:
            reason = EndReason.VOICEMAIL
        if not (self._talk.caller.untranscribed and self._model.ready and self._line.connected):
            self.end(reason, caller_gone=True)
            return
        self.gone, self.silenced = (reason, self._clock.now + self._limits.last_words), True
        self.closing = None
        self._line.shut()
        self._talk.cut_unheard()
        self._model.send(self._model.engine.stop_speaking())

    def ends_at(self) -> float | None:
        """When the call ends, whatever is still being said or written down. None: it goes on."""
        if self.gone is not None:
            return self.gone[1]
        return None if self.closing is None else self.closing.until

    def end_as_decided(self) -> None:
        """There is nothing more to wait for."""
        closing = self.closing
        if self.gone is not None:
            self.end(self.gone[0], caller_gone=True)
        elif closing is not None:
            self.end(closing.reason, error=closing.error, transfer_to=closing.transfer_to)

    def end(
        self,
        reason: EndReason,
        *,
        caller_gone: bool = False,
        error: dict[str, Any] | None = None,
        transfer_to: str | None = None,
    ) -> None:
        self.ended = self.silenced = True
        self._line.shut()
        self._talk.cut_unheard()
        self._talk.take_stock()
        self._out.append(self._talk.totals.now())
        self._model.close()
        apologised = self.given_up is not None and self._lines.apology.spoken and self._line.connected
        ending = EndCall(reason, caller_gone, error, transfer_to=transfer_to, apologised=apologised)
        self._out.append(ending)
