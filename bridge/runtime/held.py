"""A call that this process holds."""

from __future__ import annotations

import asyncio

from bridge.call.agent import AgentSnapshot
from bridge.runtime.live_call import LiveCall
from bridge.runtime.moment import Moment
from database.models import Call


class Held:
    """A call, its row's facts that an ending needs, and whether its end has been carried out."""

    def __init__(self, live: LiveCall, row: Call, agent: AgentSnapshot) -> None:
        self.live = live
        self.row = row
        """As it was when the call was prepared or its last stream came."""
        self.row_id = row.id
        self.call_sid = row.twilio_call_sid
        self.told_to_tools = {"id": row.id, "direction": row.direction, "from": row.from_, "to": row.to}
        self.agent = agent
        self.claim_timer: asyncio.TimerHandle | None = None
        self.claimed = False
        self.sessions: dict[int, asyncio.Task[None]] = {}
        """The voice model's, by their numbers: a task lasts as long as the socket."""
        self.warm_elsewhere = False
        """Another process may hold a session for it, which is to be let go first."""
        self.done = Moment()

    def stop_waiting(self) -> None:
        if self.claim_timer is not None:
            self.claim_timer.cancel()
            self.claim_timer = None
