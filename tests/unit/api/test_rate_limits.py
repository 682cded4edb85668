from __future__ import annotations

import pytest

from api.errors import Problem
from api.rate_limits import FAILURES_AT_ONCE, MOST_REMEMBERED, RateLimits

HOME, ELSEWHERE = "203.0.113.7", "198.51.100.9"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limits(clock: Clock) -> RateLimits:
    return RateLimits(requests_per_minute=60, clock=clock)


def ask(limits: RateLimits, key: str = "right", address: str = HOME) -> int:
    """200, 401 or 429."""
    try:
        limits.before(address, key)
    except Problem as problem:
        assert int(problem.headers["Retry-After"]) >= 1
        return problem.details.status
    if key.startswith("right"):
        limits.right(address, key)
        return 200
    limits.wrong(address, key)
    return 401


def test_a_key_may_ask_ten_seconds_worth_at_once_and_then_as_often_as_allowed(
    limits: RateLimits, clock: Clock
) -> None:
    assert [ask(limits) for _ in range(11)] == [200] * 10 + [429]
    clock.now += 2
    assert [ask(limits) for _ in range(3)] == [200, 200, 429]
    assert limits.counters.api_requests_limited == 2


def test_what_was_refused_does_not_count(limits: RateLimits, clock: Clock) -> None:
    """Whoever keeps asking must not be shut out for good."""
    for _ in range(100):
        ask(limits)
    clock.now += 1
    assert ask(limits) == 200


def test_each_key_has_a_count_of_its_own(limits: RateLimits) -> None:
    for _ in range(20):
        ask(limits)
    assert ask(limits, "right too") == 200


def test_an_address_with_many_wrong_keys_is_refused_even_the_right_one(
    limits: RateLimits, clock: Clock
) -> None:
    """Or guessing would go on as fast as ever, and the right guess be let in."""
    assert [ask(limits, f"wrong {n}") for n in range(FAILURES_AT_ONCE + 1)] == [401] * FAILURES_AT_ONCE + [
        429
    ]
    assert ask(limits, "right") == 429
    assert ask(limits, "right", ELSEWHERE) == 200
    clock.now += 3
    assert ask(limits, "right") == 200


def test_a_key_that_was_right_from_there_goes_on(limits: RateLimits) -> None:
    """Behind one router, or a proxy that hides who asks, others' guesses must not shut operators out."""
    ask(limits, "right")
    for number in range(100):
        ask(limits, f"wrong {number}")
    assert ask(limits, "right") == 200


def test_a_house_has_one_count_however_many_addresses_it_has(limits: RateLimits) -> None:
    for number in range(FAILURES_AT_ONCE):
        ask(limits, "wrong", f"2001:db8:0:1::{number:x}")
    assert ask(limits, "wrong", "2001:db8:0:1:ffff::1") == 429
    assert ask(limits, "wrong", "2001:db8:0:2::1") == 401


def test_what_is_remembered_is_bounded(limits: RateLimits) -> None:
    for number in range(MOST_REMEMBERED + 50):
        address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        ask(limits, "wrong", address)
        ask(limits, f"right {number}", address)
    assert len(limits._right) == len(limits._failures._left) == MOST_REMEMBERED


def test_without_a_limit_a_key_asks_as_often_as_it_likes(clock: Clock) -> None:
    limits = RateLimits(clock=clock)
    assert {ask(limits) for _ in range(1000)} == {200}
