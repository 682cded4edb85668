"""One pulse for all: every member in its turn, nobody blamed for our being late."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from contextvars import Context
from typing import Any

import pytest

from bridge.runtime.heartbeat import GROUPS, Heartbeat


class Clock(asyncio.SelectorEventLoop):
    """A loop whose time moves when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.due: tuple[float, Callable[..., object]] | None = None
        self.canceled = 0

    def time(self) -> float:
        return self.now

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        self.due = when, callback
        return super().call_at(when + 1000, callback, *args, context=context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self.due = None

    def passes(self, seconds: float, *, stands_still_for: float = 0.0) -> None:
        """`stands_still_for`: at first nothing is done for so long."""
        until = self.now + seconds
        self.now += stands_still_for
        while self.due is not None and self.due[0] <= until + 1e-9:
            when, callback = self.due
            self.now = max(self.now, when)
            callback()
        self.now = until


class Member:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.beats: list[tuple[float, bool]] = []

    def beat(self, *, late: bool) -> None:
        self.beats.append((round(self._clock.now, 3), late))


def on_a_clock(story: Callable[[Clock, Heartbeat], None]) -> None:
    clock = Clock()

    async def main() -> None:
        story(clock, Heartbeat.here(0.5))

    try:
        clock.run_until_complete(main())
    finally:
        clock.close()


@pytest.mark.parametrize("joined_at", [0.0, 0.13, 0.31])
def test_each_member_is_beaten_once_an_interval_first_after_a_whole_one(joined_at: float) -> None:
    def story(clock: Clock, heartbeat: Heartbeat) -> None:
        first, member = Member(clock), Member(clock)
        heartbeat.join(first)
        clock.passes(joined_at)
        heartbeat.join(member)
        clock.passes(2.0)
        times = [at for at, _ in member.beats]
        assert 0.5 - 0.5 / GROUPS <= times[0] - joined_at <= 0.5 + 1e-6
        assert [round(after - before, 3) for before, after in itertools.pairwise(times)] == [0.5] * 3
        assert not any(late for _, late in member.beats)

    on_a_clock(story)


def test_after_a_pause_of_ours_every_group_is_told_that_it_is_late_once() -> None:
    def story(clock: Clock, heartbeat: Heartbeat) -> None:
        members: list[Member] = []
        for _ in range(GROUPS):
            members.append(Member(clock))
            heartbeat.join(members[-1])
            clock.passes(0.5 / GROUPS)
        clock.passes(2.0, stands_still_for=0.4)
        for member in members:
            lates = [late for _, late in member.beats]
            assert lates.count(True) == 1 and not lates[-1]

    on_a_clock(story)


def test_nothing_is_due_once_the_last_has_left() -> None:
    def story(clock: Clock, heartbeat: Heartbeat) -> None:
        member, other = Member(clock), Member(clock)
        heartbeat.join(member)
        heartbeat.join(other)
        heartbeat.leave(member)
        clock.passes(1.0)
        assert len(other.beats) == 2 and not member.beats
        heartbeat.leave(other)
        assert clock.due is None
        heartbeat.join(member)
        clock.passes(0.5)
        assert len(member.beats) == 1

    on_a_clock(story)


def test_each_loop_has_its_own() -> None:
    def story(_clock: Clock, heartbeat: Heartbeat) -> None:
        assert Heartbeat.here(0.5) is heartbeat
        assert Heartbeat.here(1.0) is not heartbeat
        hearts.append(heartbeat)

    hearts: list[Heartbeat] = []
    on_a_clock(story)
    on_a_clock(story)
    assert hearts[0] is not hearts[1]
