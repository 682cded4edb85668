"""Which variables of an agent have no value."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.call.agent import AgentConfig
from bridge.call.variables import unfilled


def missing_variables(config: AgentConfig, given: Iterable[str] = ()) -> set[str]:
    """Those of what it is told and says first that have no default, are not built in and not given."""
    names = set(given)
    texts = (config.prompt, config.greeting or "", config.recording_announcement or "")
    return set[str]().union(*(unfilled(text, names) for text in texts))
