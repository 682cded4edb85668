from __future__ import annotations

from notify.retries import JITTER, Retries


def test_attempts_spread_over_about_a_day_and_then_end() -> None:
    """A receiver that is down over night gets everything in the morning; one that is gone is given up."""
    retries = Retries()
    waits = [retries.wait(attempts) for attempts in range(1, retries.attempts + 1)]
    assert waits[-1] is None
    hours = sum(wait.total_seconds() for wait in waits if wait is not None) / 3600
    assert 24 * (1 - JITTER) * 0.9 < hours < 24 * (1 + JITTER)


def test_the_first_retry_comes_within_seconds_and_each_later_one_later() -> None:
    retries = Retries()
    waits = [wait.total_seconds() for n in range(1, 9) if (wait := retries.wait(n)) is not None]
    assert waits[0] <= 6
    assert waits == sorted(waits)


def test_deliveries_that_failed_together_are_not_tried_together() -> None:
    retries = Retries()
    waits = [wait.total_seconds() for _ in range(200) if (wait := retries.wait(5)) is not None]
    base = retries.first_seconds * retries.factor**4
    assert min(waits) >= base * (1 - JITTER)
    assert max(waits) <= base * (1 + JITTER)
    assert max(waits) - min(waits) > base * JITTER
