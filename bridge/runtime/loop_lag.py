"""How late the event loop is. What is late for all calls at once is work for too many of them."""

from __future__ import annotations

import asyncio
from collections import deque

import structlog

SAMPLE_SECONDS = 0.05
WORST_SAMPLES = 200
"""Ten seconds."""
RECENT_SAMPLES = 20
"""A second, or as long as they take: by their median, to which a single pause, however long, is nothing."""
OVERLOADED_SECONDS = 0.1
"""From here on the caller waits noticeably longer for each answer."""
RECOVERED_SECONDS = 0.03

log = structlog.get_logger(__name__)


class LoopLag:
    def __init__(self) -> None:
        self._worst: deque[float] = deque(maxlen=WORST_SAMPLES)
        self._recent: deque[float] = deque([0.0] * RECENT_SAMPLES, maxlen=RECENT_SAMPLES)
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self.overloaded = False
        """New calls are turned away until it has recovered."""

    @property
    def worst_s(self) -> float:
        """Longest delay within the last ten seconds."""
        return max(self._worst, default=0.0)

    def start(self) -> None:
        if self._timer is None:
            self._wait()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def take(self, lag_s: float) -> None:
        """One sample."""
        self._worst.append(lag_s)
        self._recent.append(lag_s)
        usual_s = sorted(self._recent)[RECENT_SAMPLES // 2]
        if not self.overloaded and usual_s >= OVERLOADED_SECONDS:
            self.overloaded = True
            log.warning("overloaded", lag_ms=round(usual_s * 1000))
        elif self.overloaded and usual_s <= RECOVERED_SECONDS:
            self.overloaded = False
            log.info("no_longer_overloaded")

    def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        self._due = loop.time() + SAMPLE_SECONDS
        self._timer = loop.call_at(self._due, self._sample)

    def _sample(self) -> None:
        self.take(max(0.0, asyncio.get_running_loop().time() - self._due))
        self._wait()
