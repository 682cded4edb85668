"""New calls are turned away before those that are up suffer, and not because of one long pause."""

from __future__ import annotations

import pytest

from bridge.runtime.loop_lag import OVERLOADED_SECONDS, RECENT_SAMPLES, RECOVERED_SECONDS, LoopLag


@pytest.fixture
def lag() -> LoopLag:
    return LoopLag()


def samples(lag: LoopLag, lag_s: float, count: int = RECENT_SAMPLES) -> None:
    for _ in range(count):
        lag.take(lag_s)


def test_one_long_pause_turns_nobody_away(lag: LoopLag) -> None:
    samples(lag, 0.001)
    lag.take(20.0)
    samples(lag, 0.001, 3)
    assert not lag.overloaded
    assert lag.worst_s == 20.0


def test_a_loop_that_stays_late_does(lag: LoopLag) -> None:
    samples(lag, OVERLOADED_SECONDS * 1.01)
    assert lag.overloaded


def test_between_the_two_limits_it_stays_as_it_was(lag: LoopLag) -> None:
    between = (OVERLOADED_SECONDS + RECOVERED_SECONDS) / 2
    samples(lag, between, 10 * RECENT_SAMPLES)
    assert not lag.overloaded
    samples(lag, OVERLOADED_SECONDS * 2)
    samples(lag, between, 10 * RECENT_SAMPLES)
    assert lag.overloaded
    samples(lag, 0.0)
    assert not lag.overloaded


def test_the_first_samples_of_a_process_say_little(lag: LoopLag) -> None:
    """A process that starts on a busy machine is slow for a moment."""
    samples(lag, OVERLOADED_SECONDS * 2, RECENT_SAMPLES // 4)
    assert not lag.overloaded
