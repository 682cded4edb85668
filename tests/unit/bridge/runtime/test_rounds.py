from __future__ import annotations

import asyncio

from bridge.runtime.rounds import Rounds


class Work:
    """Fails as it is told to, then goes well."""

    def __init__(self, *failures: Exception) -> None:
        self._failures = list(failures)
        self.done = asyncio.Event()

    async def __call__(self) -> None:
        if self._failures:
            raise self._failures.pop(0)
        self.done.set()


async def test_a_round_that_fails_is_not_the_last() -> None:
    """Prices and retention would else stop for good when Postgres is away once, or by one bug."""
    work = Work(ConnectionRefusedError(), RuntimeError("a bug"))
    rounds = Rounds("work", work, every_s=0)
    rounds.start()
    async with asyncio.timeout(5):
        await work.done.wait()
    await rounds.stop()
    work.done.clear()
    await asyncio.sleep(0)
    assert not work.done.is_set(), "stopped is stopped"
