"""When a delivery that failed is tried again, and when no more."""

from __future__ import annotations

import datetime as dt
import random

from msgspec import Struct

JITTER = 0.2


class Retries(Struct, frozen=True, kw_only=True):
    """As shipped: 5 s, 15 s, 45 s, … and at last every 6 h; 23 h from the first attempt to the last."""

    first_seconds: float = 5.0
    factor: float = 3.0
    longest_seconds: float = 6 * 3600.0
    attempts: int = 12
    """In all."""

    def wait(self, attempts: int) -> dt.timedelta | None:
        """After so many attempts that failed. Spread, so that what failed together is not tried together.

        None: that was the last.
        """
        if attempts >= self.attempts:
            return None
        seconds = min(self.first_seconds * self.factor ** (attempts - 1), self.longest_seconds)
        spread = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 (nobody gains by guessing it)
        return dt.timedelta(seconds=seconds * spread)
