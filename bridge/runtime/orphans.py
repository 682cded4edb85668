"""Calls whose process is gone, where Twilio does not ask about them. Every process looks for them.

Twilio asks when a media socket breaks. One that was dead already, or that it thinks alive because a machine
vanished without a word, it does not notice.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from functools import partial

from bridge.runtime.moves import Moves, Taker
from bridge.runtime.rounds import Rounds
from database import holding
from database.call_events import utc_now
from database.holding import Orphan
from database.notifications import Notifications
from database.session import Database

LOOK_SECONDS = 1.0
GRACE_SECONDS = 2.5
"""For Twilio to ask by itself, for a media stream that it was told to open to come, and for a process whose
connection to Postgres was cut to connect again."""
AT_ONCE = 10
"""Of a process: when a machine with many calls is lost, those that are left share them out."""


class Orphans:
    """`jitter`: a number from 0 to 1, so that processes that were started together do not look together."""

    def __init__(
        self,
        database: Database,
        notifications: Notifications,
        moves: Moves,
        taker: Taker,
        *,
        jitter: float = 0.5,
    ) -> None:
        self._database = database
        self._notifications = notifications
        self._moves = moves
        self._taker = taker
        self._rounds = Rounds("orphans", self._look_now, every_s=LOOK_SECONDS * (0.8 + 0.4 * jitter))
        self._since: dict[Orphan, float] = {}
        """When each was first found."""
        self._adopting: dict[Orphan, asyncio.Task[None]] = {}

    def start(self) -> None:
        self._rounds.start()

    async def stop(self) -> None:
        await self._rounds.stop()
        for task in self._adopting.values():
            task.cancel()
        await self.adopted()

    async def adopted(self) -> None:
        """Wait until those that were found are taken, or left to others."""
        if self._adopting:
            await asyncio.wait(list(self._adopting.values()))

    async def _look_now(self) -> None:
        await self.look(asyncio.get_running_loop().time())

    async def look(self, now: float) -> None:
        """Adopt those that have been without a process for a while. A process that cannot take calls, or that
        others may not see, as Postgres is away or has just come back, knows nothing of them."""
        before, self._since = self._since, {}
        if self._taker.full or not self._notifications.connected.is_set():
            return
        offered_before = utc_now() - dt.timedelta(seconds=GRACE_SECONDS)
        found = await holding.orphans(self._database, offered_before=offered_before)
        self._since = {orphan: before.get(orphan, now) for orphan in found}
        due = [orphan for orphan, since in self._since.items() if now - since >= GRACE_SECONDS]
        due = [orphan for orphan in due if orphan not in self._adopting]
        for orphan in due[: AT_ONCE - len(self._adopting)]:
            task = asyncio.create_task(self._moves.adopt(orphan), name=f"adopt_{orphan.call_id}")
            self._adopting[orphan] = task
            task.add_done_callback(partial(self._adopted, orphan))

    def _adopted(self, orphan: Orphan, _task: asyncio.Task[None]) -> None:
        del self._adopting[orphan]
