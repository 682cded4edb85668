"""Where a new call finds its place: in the process that Twilio's request has reached, or in another one.

One that is full, late or stopping has no place to offer, and may be asked all the same: nobody who stands
before the processes knows that at once.
"""

from __future__ import annotations

from typing import Protocol

from bridge.call.agent import AgentSnapshot
from bridge.runtime.snapshot import agent_of
from database import call_commands, calls, holding
from database.models import Call
from database.notifications import Notifications
from database.session import Database

ASK_SECONDS = 0.7
"""For another process to take the call; the phone rings meanwhile."""


class Host(Protocol):
    holder: calls.Holder

    @property
    def full(self) -> bool: ...
    def prepare(self, row: Call, agent: AgentSnapshot) -> bool: ...


class Placing:
    def __init__(self, database: Database, notifications: Notifications, host: Host) -> None:
        self._database = database
        self._notifications = notifications
        self._host = host

    async def find(self, call: Call) -> bool:
        """False: no process has room. True: one does, and opens its model session."""
        ours = self._host.holder
        holder = call.holder or await holding.hold(self._database, call.id, holder=ours)
        if holder != ours.name or self._host.prepare(call, await agent_of(self._database, call)):
            return True
        return await call_commands.ask(
            self._database,
            self._notifications,
            call.id,
            call_commands.PREPARE,
            {"held_by": ours.name},
            timeout_s=ASK_SECONDS,
        )

    async def take(self, call_id: str, *, held_by: str) -> bool:
        """That process has no room for the call. False: nor has this one, or another one was first."""
        if self._host.full:
            return False
        row = await holding.take_over(self._database, call_id, held_by=held_by, heir=self._host.holder)
        return row is not None and self._host.prepare(row, await agent_of(self._database, row))
