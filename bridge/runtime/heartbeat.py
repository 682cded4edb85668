"""One pulse for all sockets of an event loop, and not a timer for each."""

from __future__ import annotations

import asyncio
from typing import Protocol
from weakref import WeakKeyDictionary

GROUPS = 20
"""They take turns, so that no beat is for all at once."""


class Beating(Protocol):
    def beat(self, *, late: bool) -> None:
        """`late`: we were busy, and nothing that was not heard meanwhile says anything of a peer."""
        ...


class Heartbeat:
    """Beats every member once in `seconds`, for the first time a whole interval after it has joined."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._groups: list[set[Beating]] = [set() for _ in range(GROUPS)]
        self._turn = 0
        """The group that is next."""
        self._excused = 0
        """So many beats to come are late, too: their groups were kept waiting just as long."""
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    def here(cls, seconds: float) -> Heartbeat:
        """The one of the loop that runs."""
        hearts = _hearts.setdefault(asyncio.get_running_loop(), {})
        if seconds not in hearts:
            hearts[seconds] = cls(seconds)
        return hearts[seconds]

    def join(self, member: Beating) -> None:
        self._groups[self._turn - 1].add(member)
        if self._timer is None:
            self._due = asyncio.get_running_loop().time()
            self._wait()

    def leave(self, member: Beating) -> None:
        for group in self._groups:
            group.discard(member)
        if self._timer is not None and not any(self._groups):
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        self._due += self._seconds / GROUPS
        self._timer = asyncio.get_running_loop().call_at(self._due, self._beat)

    def _beat(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._due > self._seconds / 2:
            self._excused, self._due = GROUPS, now
        late = self._excused > 0
        self._excused -= late
        members = tuple(self._groups[self._turn])
        self._turn = (self._turn + 1) % GROUPS
        self._wait()
        for member in members:
            member.beat(late=late)


_hearts: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[float, Heartbeat]] = WeakKeyDictionary()
