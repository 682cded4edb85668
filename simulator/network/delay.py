"""A network's way: messages take some time, and none overtakes another."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from simulator.timing import Timing


class Delay:
    """When a message sent now arrives. Pure: time goes in, time comes out."""

    def __init__(self, timing: Callable[[], Timing], seed: int) -> None:
        self._timing = timing
        self._dice = random.Random(seed)
        self._latest = 0.0

    def due(self, now: float) -> float:
        timing = self._timing()
        jitter_ms = self._dice.uniform(0, timing.jitter_ms) if timing.jitter_ms else 0
        self._latest = max(self._latest, now + (timing.one_way_ms + jitter_ms) / 1000)
        return self._latest


T = TypeVar("T")


class DelayLine(Generic[T]):
    """Hands each message to `deliver` when it is due, in the order sent."""

    def __init__(self, delay: Delay, deliver: Callable[[T], None]) -> None:
        self._delay = delay
        self._deliver = deliver
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[float, T]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self.emptied = asyncio.Event()
        self.emptied.set()

    def send(self, message: T) -> None:
        now = self._loop.time()
        due = self._delay.due(now)
        if due <= now and not self._waiting:
            self._deliver(message)
            return
        self._waiting.append((due, message))
        self.emptied.clear()
        if self._timer is None:
            self._timer = self._loop.call_at(due, self._arrive)

    def close(self) -> None:
        """What is still on its way is lost."""
        if self._timer is not None:
            self._timer.cancel()
        self._waiting.clear()
        self.emptied.set()

    def _arrive(self) -> None:
        self._timer = None
        now = self._loop.time() + 0.0005
        while self._waiting and self._waiting[0][0] <= now:
            self._deliver(self._waiting.popleft()[1])
        if self._waiting:
            self._timer = self._loop.call_at(self._waiting[0][0], self._arrive)
        else:
            self.emptied.set()
