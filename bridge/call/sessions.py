"""The voice model of one call: one session after another, two at most while one takes over from the other."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from bridge.call.clock import CallClock
from bridge.call.commands import CloseModel, Command, OpenModel, SendToModel
from bridge.call.engine import Engine, SessionFailed
from bridge.call.limits import CallLimits

RETRY_SECONDS = (0.0, 0.1, 0.25, 0.5)
"""Between tries; the last one goes on: who comes back is to be noticed within a second."""


MOST_LOSSES = 6
LOSSES_SECONDS = 30.0


class Session(Struct):
    number: int
    engine: Engine
    asked_at: float
    opened_at: float | None = None
    ready: bool = False


class Sessions:
    """Appends what is to be done to the call's own list of commands.

    `current` is the one that has the call, `coming` the one that is to have it next. Where `current` is lost,
    another one is tried for until it is too late or the model refuses; where its time is running out, one is
    opened ahead.
    """

    def __init__(
        self,
        new_engine: Callable[[], Engine],
        clock: CallClock,
        out: list[Command],
        limits: CallLimits,
        chance: Callable[[], float],
    ) -> None:
        self._new_engine = new_engine
        self._clock = clock
        self._out = out
        self._limits = limits
        self._chance = chance
        self._tries = 0
        self._retry_at: float | None = None
        self.engine: Engine = new_engine()
        self.current = Session(1, self.engine, clock.now)
        self.coming: Session | None = None
        self._last_number = 1
        self.lost_at: float | None = None
        """Since when there is no session; None: there is one, or the first is being opened."""
        self._losses: list[float] = []
        self.failure: SessionFailed | None = None
        """Why the last one was lost, or the last try failed."""

    @property
    def ready(self) -> bool:
        """The session that has the call can be talked to."""
        return self.current.ready and self.lost_at is None

    @property
    def begun(self) -> bool:
        """A session has had the call, be it lost by now."""
        return self.current.ready

    @property
    def successor_ready(self) -> bool:
        """One that was opened ahead waits for its moment."""
        return self.coming is not None and self.coming.ready and self.lost_at is None

    @property
    def lost_too_often(self) -> bool:
        """It makes no sense to go on: sessions are lost as soon as they are there."""
        return len([at for at in self._losses if at > self._clock.now - LOSSES_SECONDS]) > MOST_LOSSES

    def send(self, frames: list[str]) -> None:
        """To the session that has the call; nobody is told of what a lost one would have heard."""
        if self.lost_at is None and self.current.opened_at is not None:
            self.send_to(self.current, frames)

    def send_to(self, session: Session, frames: list[str]) -> None:
        self._out.extend(SendToModel(frame, session.number) for frame in frames)

    def numbered(self, number: int) -> Session | None:
        """The one by that number, if it still counts."""
        if self.coming is not None and self.coming.number == number:
            return self.coming
        return self.current if self.current.number == number and self.lost_at is None else None

    # One is opened

    def open_another(self, prepare: Callable[[Engine], None]) -> None:
        """`prepare` tells its engine what has happened on the call already."""
        self._last_number += 1
        self._retry_at = None
        self._tries += 1
        engine = self._new_engine()
        prepare(engine)
        self.coming = Session(self._last_number, engine, self._clock.now)
        self._out.append(OpenModel(self._last_number, self._limits.session_reopens))

    def opened(self, session: Session, *, opening: bool) -> None:
        session.opened_at = self._clock.now
        self.send_to(session, session.engine.opened(opening=opening))

    def failed(self, session: Session, failure: SessionFailed) -> None:
        """It was lost, or could not be had."""
        self.failure = failure
        if session is self.coming:
            self.coming = None
            self._out.append(CloseModel(session.number))
        else:
            self.lost_at = self._clock.now
            self._losses = [*self._losses[-MOST_LOSSES:], self._clock.now]
            self._out.append(CloseModel(session.number))
        delay = RETRY_SECONDS[min(self._tries, len(RETRY_SECONDS) - 1)]
        self._retry_at = self._clock.now + delay * (0.75 + self._chance() / 2)

    def take_over(self) -> Session:
        """The one that is coming has the call from now on; the other one is closed. Only when it is ready."""
        old, new = self.current, self.coming
        if new is None:
            raise ValueError("no session is coming")
        if self.lost_at is None:
            self._out.append(CloseModel(old.number))
        self.current, self.coming, self.engine = new, None, new.engine
        self.lost_at = self._retry_at = None
        self._tries = 0
        return new

    def close(self) -> None:
        for session in (self.current, self.coming):
            if session is not None:
                self._out.append(CloseModel(session.number))
        self.coming = self._retry_at = None

    # Time

    def retry_due_at(self) -> float | None:
        return self._retry_at if self.coming is None else None

    def ready_by(self) -> float | None:
        """When the session that is being opened is given up."""
        if self.coming is not None:
            return self.coming.asked_at + self._limits.session_reopens + self._limits.session_reconfigured
        if self.current.ready or self.lost_at is not None or self.current.opened_at is None:
            return None
        return self.current.opened_at + self._limits.session_ready

    def given_up_at(self) -> float | None:
        """When it is too late for another session."""
        return None if self.lost_at is None else self.lost_at + self._limits.model_back

    def successor_due_at(self) -> float | None:
        """When another one is to be opened, because the time of this one is running out."""
        ends_at = self._ends_at()
        if ends_at is None or self.coming is not None or self._retry_at is not None:
            return None
        return ends_at - self._limits.successor_ahead

    def hand_over_by(self) -> float | None:
        """When the one that is coming takes over, be it a quiet moment or not."""
        ends_at = self._ends_at()
        if ends_at is None or self.coming is None or not self.coming.ready:
            return None
        return ends_at - self._limits.successor_latest

    def _ends_at(self) -> float | None:
        seconds, opened_at = self.engine.session_seconds, self.current.opened_at
        if seconds is None or opened_at is None or not self.ready:
            return None
        return opened_at + seconds
