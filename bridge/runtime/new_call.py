"""Which voice model speaks on a call. One so far."""

from __future__ import annotations

import random
from collections.abc import Callable

from bridge.call.agent import AgentSnapshot
from bridge.call.call import Call
from bridge.call.past import Past
from bridge.engines.openai_realtime.session import RealtimeSession
from bridge.runtime.live_call import DrivenCall

NewCall = Callable[[AgentSnapshot, int | None, Past | None], DrivenCall]
"""From the agent, `max_call_seconds` where the call has its own, and what it has behind it elsewhere."""


def openai_call(agent: AgentSnapshot, max_call_seconds: int | None, past: Past | None) -> DrivenCall:
    return Call(
        agent,
        lambda: RealtimeSession(agent.config),
        max_call_seconds=max_call_seconds,
        past=past,
        chance=random.random,
    )
