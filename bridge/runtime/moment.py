"""Something that happens once, or now and then, and that hardly anybody ever waits for."""

from __future__ import annotations

import asyncio


class Moment:
    """As `asyncio.Event`, which has a deque whether anybody waits or not: a call has half a dozen."""

    __slots__ = ("_event", "_here")

    def __init__(self, *, here: bool = False) -> None:
        self._here = here
        self._event: asyncio.Event | None = None

    def is_set(self) -> bool:
        return self._here

    def set(self) -> None:
        self._here = True
        if self._event is not None:
            self._event.set()

    def clear(self) -> None:
        self._here = False
        if self._event is not None:
            self._event.clear()

    async def wait(self, timeout_s: float | None = None) -> bool:
        """False: it has not come within the time."""
        if not self._here:
            self._event = self._event or asyncio.Event()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._event.wait()
            except TimeoutError:
                return False
        return True
