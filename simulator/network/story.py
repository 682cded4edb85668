"""What happened on a call, moment by moment: to be waited for by tests, followed by people."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Moment:
    name: str
    at_ms: int
    """Since the call began."""
    data: dict[str, object]

    def as_json(self) -> dict[str, object]:
        return {"at_ms": self.at_ms, "type": self.name, **self.data}


class Story:
    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` counts seconds."""
        self._clock = clock
        self._began = clock()
        self._changed = asyncio.Event()
        self.moments: list[Moment] = []
        self.finished = False

    @property
    def now_ms(self) -> int:
        return round((self._clock() - self._began) * 1000)

    def tell(self, name: str, **data: object) -> None:
        self.moments.append(Moment(name, self.now_ms, data))
        self._wake()

    def finish(self) -> None:
        """Nothing more will happen."""
        self.finished = True
        self._wake()

    def all(self, name: str) -> list[Moment]:
        return [moment for moment in self.moments if moment.name == name]

    async def wait_for(self, name: str, *, count: int = 1, timeout_s: float = 20) -> Moment:
        """The `count`-th moment of that name, at once when it was.

        Raises LookupError when it can no longer come, TimeoutError when it does not; both tell the story.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while len(found := self.all(name)) < count:
                    if self.finished:
                        raise LookupError(f"'{name}' never came. There was: {self._summary()}")
                    await self._changed.wait()
        except TimeoutError:
            raise TimeoutError(
                f"'{name}' did not come in {timeout_s} s. There was: {self._summary()}"
            ) from None
        return found[count - 1]

    async def follow(self) -> AsyncIterator[Moment]:
        """Every moment from the first one on, until the story is finished."""
        told = 0
        while True:
            while told < len(self.moments):
                yield self.moments[told]
                told += 1
            if self.finished:
                return
            await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _summary(self) -> str:
        return ", ".join(f"{moment.name} ({moment.at_ms} ms)" for moment in self.moments[-30:])
