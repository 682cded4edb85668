"""What a webhook's URL fragment asks of Twilio, for example `#rc=2&rp=all&ct=1500&rt=4500`.

https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl, urldefrag

Failure = Literal["ct", "rt", "4xx", "5xx"]
"""What went wrong: no connection, no answer, or an answer of that class."""

MOST_MS = 15_000
"""Twilio waits no longer than this for a voice webhook, all tries together."""


@dataclass(frozen=True)
class Overrides:
    connect_ms: int = 5_000
    read_ms: int = MOST_MS
    total_ms: int = MOST_MS
    retries: int = 1
    retry_on: frozenset[str] = frozenset({"ct"})

    def retries_after(self, failure: Failure) -> bool:
        return "all" in self.retry_on or failure in self.retry_on


def split(url: str) -> tuple[str, Overrides]:
    """The URL as it is requested and signed, and what its fragment asks for; bad values are ignored."""
    plain, fragment = urldefrag(url)
    asked = dict(parse_qsl(fragment))
    usual = Overrides()
    return plain, Overrides(
        connect_ms=_within(asked.get("ct"), 100, 10_000, usual.connect_ms),
        read_ms=_within(asked.get("rt"), 100, MOST_MS, usual.read_ms),
        total_ms=_within(asked.get("tt"), 100, MOST_MS, usual.total_ms),
        retries=_within(asked.get("rc"), 0, 5, usual.retries),
        retry_on=frozenset(asked["rp"].split(",")) if "rp" in asked else usual.retry_on,
    )


def _within(text: str | None, least: int, most: int, otherwise: int) -> int:
    if text is None or not text.isdecimal():
        return otherwise
    return int(text) if least <= int(text) <= most else otherwise
