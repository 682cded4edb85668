"""A tick each half millisecond on the absolute clock: call k speaks in slot k of 40, every 20 ms."""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable

SLOTS = 40
SLOT_NS = 500_000
_NONBLOCK = os.O_NONBLOCK
_CLOCK_MONOTONIC = 1

Speak = Callable[[], None]


class _Time(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


class _Timer(ctypes.Structure):
    _fields_ = [("interval", _Time), ("first", _Time)]


class Pacer:
    """The kernel counts the ticks: none is lost when this process is late, and lateness does not add up."""

    def __init__(self) -> None:
        self._slots: list[dict[int, Speak]] = [{} for _ in range(SLOTS)]
        self._next = 0
        self._joined = 0
        libc = ctypes.CDLL(None, use_errno=True)
        # Python 3.13 has os.timerfd_create; the floor is 3.11.
        self._timer = int(libc.timerfd_create(_CLOCK_MONOTONIC, _NONBLOCK))
        each = _Time(0, SLOT_NS)
        if self._timer < 0 or libc.timerfd_settime(self._timer, 0, ctypes.byref(_Timer(each, each)), None):
            raise OSError(ctypes.get_errno(), "timerfd")

    def start(self) -> None:
        asyncio.get_running_loop().add_reader(self._timer, self._tick)

    def join(self, speak: Speak) -> int:
        """Speaks every 20 ms from now on. Returns what `leave` wants."""
        self._joined += 1
        self._slots[self._joined % SLOTS][self._joined] = speak
        return self._joined

    def leave(self, joined: int) -> None:
        self._slots[joined % SLOTS].pop(joined, None)

    def _tick(self) -> None:
        try:
            ticks = int.from_bytes(os.read(self._timer, 8), "little")
        except BlockingIOError:
            return
        for _ in range(ticks):
            slot = self._slots[self._next]
            self._next = (self._next + 1) % SLOTS
            for speak in list(slot.values()):
                speak()
