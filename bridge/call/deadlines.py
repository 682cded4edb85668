"""What a call waits for, and what is done when the time has come."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bridge.call.course import Course

Wait = tuple[Callable[[], float | None], Callable[[], None]]
"""When it is time, in monotonic seconds (None: not waited for), and what then."""


class Deadlines:
    """The most urgent first. `always`: as long as a caller is there; `while_it_goes_on`: until the call winds
    up, besides."""

    def __init__(self, course: Course, *, always: Sequence[Wait], while_it_goes_on: Sequence[Wait]) -> None:
        self._course = course
        the_end = (course.ends_at, course.end_as_decided)
        self._gone: Sequence[Wait] = (the_end,)
        self._closing = (the_end, *always)
        self._given_up = always
        self._all = (*always, *while_it_goes_on)

    def next(self) -> float | None:
        """Monotonic seconds; None: nothing is waited for."""
        if self._course.ended:
            return None
        return min((at for moment, _ in self._waits() if (at := moment()) is not None), default=None)

    def act(self, now: float) -> None:
        """Do the most urgent of what is due."""
        for moment, action in self._waits():
            at = moment()
            if at is not None and now >= at:
                action()
                return

    def _waits(self) -> Sequence[Wait]:
        course = self._course
        if course.gone is not None:
            return self._gone
        if course.closing is not None:
            return self._closing
        return self._given_up if course.given_up is not None else self._all
