"""The phone's side of one call: one media stream after another, as Twilio's sockets are lost and replaced."""

from __future__ import annotations

from bridge.call.caller_line import CallerLine
from bridge.call.clock import CallClock
from bridge.call.commands import Command, MoveStream, StreamWorks
from bridge.call.conversation import Conversation
from bridge.call.course import Course
from bridge.call.ending import EndReason
from bridge.call.events import StreamEnded
from bridge.call.handover import Handover
from bridge.call.limits import CallLimits
from bridge.call.sessions import Sessions


class MediaStreams:
    """Appends what is to be done to the call's own list of commands."""

    def __init__(
        self,
        model: Sessions,
        talk: Conversation,
        handover: Handover,
        line: CallerLine,
        clock: CallClock,
        out: list[Command],
        limits: CallLimits,
        course: Course,
        *,
        elsewhere: bool,
    ) -> None:
        """`elsewhere`: another process has had one already."""
        self.move_at: float | None = None
        """When Twilio is told to open another media stream, if it does not ask before."""
        self.works_at: float | None = None
        """When one that was lost counts as replaced, if it has carried audio by then."""
        self._lost_at: float | None = None
        self._first = not elsewhere
        self._model = model
        self._talk = talk
        self._handover = handover
        self._line = line
        self._clock = clock
        self._out = out
        self._limits = limits
        self._course = course

    def started(self, stream_sid: str) -> bool:
        """True: what the agent has said already goes out."""
        self._clock.stream_started()
        if self._first:
            self._first = False
            self._talk.record("stream.started", stream_sid=stream_sid)
        else:
            lost_at = self._lost_at or self._clock.now
            lost_for_ms = round((self._clock.now - lost_at) * 1000)
            self._talk.record("stream.resumed", stream_sid=stream_sid, lost_for_ms=lost_for_ms)
            self.works_at = self._clock.now + self._limits.stream_works
        self._lost_at = self.move_at = None
        audible = self._talk.stream_started(stream_sid)
        if self._course.given_up is not None:
            self._course.give_up(self._course.given_up)
        else:
            self._handover.stream_back()
        return audible

    def ended(self, event: StreamEnded) -> None:
        closing = self._course.closing
        if event.stopped:
            self._course.caller_gone(EndReason.CALLER_HUNG_UP)
        elif closing is not None and closing.spoken:
            self._course.end_as_decided()
        else:
            self._lost(silent=event.silent)

    def _lost(self, *, silent: bool) -> None:
        self._talk.record("stream.lost", silent=silent)
        self._lost_at, self.works_at = self._clock.now, None
        if silent:
            self._out.append(MoveStream())
        else:
            self.move_at = self._clock.now + self._limits.stream_asked
        if self._talk.stream_lost(dead_for=self._limits.stream_dead if silent else 0.0):
            self._model.send(self._model.engine.stop_speaking())
            self._talk.take_stock()  # the model must know what was heard before it goes on from there
            self._handover.speak_if_due()

    def offered(self) -> None:
        """Twilio has been told to open another one: it need not be told again."""
        self.move_at = None

    def move(self) -> None:
        self.move_at = None
        self._out.append(MoveStream())

    def back_by(self) -> float | None:
        return None if self._lost_at is None else self._lost_at + self._limits.stream_back

    def not_back(self) -> None:
        self._course.end(EndReason.STREAM_LOST)

    def works(self) -> None:
        self.works_at = None
        if self._line.stream_ms >= self._limits.stream_works * 500:
            self._out.append(StreamWorks())
