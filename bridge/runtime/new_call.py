"""Which voice model speaks on a call. One so far."""

from __future__ import annotations

from collections.abc import Callable

from bridge.call.agent import AgentSnapshot
from bridge.call.call import Call
from bridge.engines.openai_realtime.session import RealtimeSession
from bridge.runtime.live_call import DrivenCall

NewCall = Callable[[AgentSnapshot, int | None], DrivenCall]
"""From the agent, and `max_call_seconds` where the call has its own."""


def openai_call(agent: AgentSnapshot, max_call_seconds: int | None) -> DrivenCall:
    return Call(agent, RealtimeSession(agent.config), max_call_seconds=max_call_seconds)
