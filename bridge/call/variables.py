"""`{{name}}` and `{{name|default}}` in a prompt or a greeting."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

BUILT_IN = frozenset({"caller_number", "called_number", "now"})
"""Always given a value by the call itself."""

_PLACE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*(?:\|([^{}]*))?\}\}")


def fill(template: str, values: Mapping[str, object]) -> str:
    """Put the values in, once: what a value holds is not looked at again.

    A place that has neither value nor default becomes empty; `unfilled` tells of it beforehand.
    """

    def value_of(place: re.Match[str]) -> str:
        name, default = place[1], place[2]
        return _text(values[name]) if name in values else (default or "").strip()

    return _PLACE.sub(value_of, template)


def unfilled(template: str, given: Iterable[str] = ()) -> set[str]:
    """The variables that have no default, are not built in and are not among those given."""
    wanted = {place[1] for place in _PLACE.finditer(template) if place[2] is None}
    return wanted - BUILT_IN - set(given)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
