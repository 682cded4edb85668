"""How often one API key may ask, and how often one address may be wrong about its key.

Counted in this process alone: of several, each has its own count.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

from msgspec import Struct

from api.errors import Problem

BURST_SECONDS = 10.0
"""Of requests that may come at once."""
FAILURES_AT_ONCE = 20
FAILURES_PER_SECOND = 1 / 3
MOST_REMEMBERED = 10_000
"""Keys, addresses, and keys that were right from an address. Beyond that the oldest are forgotten."""
V6_SITE = 64
"""Whoever has one IPv6 address has 2^64 of them: https://www.rfc-editor.org/rfc/rfc6177"""


class Counters(Struct, kw_only=True):
    """Of this process, since it started; metrics read them."""

    api_requests_limited: int = 0
    api_keys_refused: int = 0


class Buckets:
    """For each of many, so many tokens at most, and so many more a second."""

    def __init__(self, most: float, per_second: float) -> None:
        self._most = most
        self._per_second = per_second
        self._left: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()
        """Tokens, and when there were so many."""

    def wait_s(self, name: Hashable, now: float) -> float:
        """Until there is a token; 0: there is one."""
        return max(0.0, (1 - self._tokens(name, now)) / self._per_second)

    def take(self, name: Hashable, now: float) -> None:
        self._left[name] = (max(0.0, self._tokens(name, now) - 1), now)
        self._left.move_to_end(name)
        if len(self._left) > MOST_REMEMBERED:
            self._left.popitem(last=False)

    def _tokens(self, name: Hashable, now: float) -> float:
        tokens, at = self._left.get(name, (self._most, now))
        return min(self._most, tokens + (now - at) * self._per_second)


class RateLimits:
    """Asked before a key is looked up, so that what is refused costs no query."""

    def __init__(self, requests_per_minute: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        """`requests_per_minute`: of each key; 0: as many as it likes."""
        self.counters = Counters()
        self._clock = clock
        per_second = requests_per_minute / 60
        self._requests = Buckets(max(1.0, per_second * BURST_SECONDS), per_second) if per_second else None
        self._failures = Buckets(FAILURES_AT_ONCE, FAILURES_PER_SECOND)
        self._right: OrderedDict[tuple[str, str], None] = OrderedDict()

    def before(self, address: str, key_sha256: str) -> None:
        """Raises Problem 429. A key that was right from this address is not refused for what others there,
        behind the same router, got wrong."""
        now, site = self._clock(), _site(address)
        known = (site, key_sha256) in self._right
        if not known and (wait_s := self._failures.wait_s(site, now)):
            raise self._refusal("Too many wrong API keys came from this address.", wait_s)
        if known and self._requests and (wait_s := self._requests.wait_s(key_sha256, now)):
            raise self._refusal("This API key asks too often.", wait_s)

    def right(self, address: str, key_sha256: str) -> None:
        self._right[_site(address), key_sha256] = None
        self._right.move_to_end((_site(address), key_sha256))
        if len(self._right) > MOST_REMEMBERED:
            self._right.popitem(last=False)
        if self._requests:
            self._requests.take(key_sha256, self._clock())

    def wrong(self, address: str, key_sha256: str) -> None:
        self.counters.api_keys_refused += 1
        self._right.pop((_site(address), key_sha256), None)
        self._failures.take(_site(address), self._clock())

    def _refusal(self, what: str, wait_s: float) -> Problem:
        self.counters.api_requests_limited += 1
        seconds = math.ceil(wait_s)
        return Problem(429, f"{what} Try again in {seconds} s.", headers={"Retry-After": str(seconds)})


def _site(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, V6_SITE), strict=False))
    return str(found)
