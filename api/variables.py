"""Which variables of an agent have no value."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.call.agent import AgentConfig
from bridge.call.variables import unfilled


def missing_variables(config: AgentConfig, given: Iterable[str] = ()) -> set[str]:
    """Those of the words it is given that have no default, are not built in and not given."""
    names = set(given)
    message = config.voicemail.message if config.voicemail else None
    texts = (config.prompt, config.greeting, config.recording_announcement, message)
    return set[str]().union(*(unfilled(text, names) for text in texts if text))
