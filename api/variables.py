"""Which variables of an agent have no value."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.call.agent import AgentConfig
from bridge.call.variables import unfilled


def missing_variables(config: AgentConfig, given: Iterable[str] = ()) -> set[str]:
    """Those of its prompt and greeting that have no default, are not built in and not given."""
    names = set(given)
    return unfilled(config.prompt, names) | unfilled(config.greeting or "", names)
