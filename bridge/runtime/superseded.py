"""Calls of which a process learns, in writing for them, that another one has them by now."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

import structlog

from database.journal import Entry

KEPT = 1000
"""Of so many calls it is known that it has been told."""

log = structlog.get_logger(__name__)


class Superseded:
    """`on_superseded` hears once of each call and attach number."""

    def __init__(self, on_superseded: Callable[[str, int], object] | None) -> None:
        self._on_superseded = on_superseded
        self._told: OrderedDict[str, int] = OrderedDict()
        self.entries = 0

    def tell(self, superseded: Mapping[str, int], entries: Sequence[Entry]) -> None:
        for call_id, attach_number in superseded.items():
            if self._told.get(call_id, 0) >= attach_number:
                continue
            self._told[call_id] = attach_number
            if len(self._told) > KEPT:
                self._told.popitem(last=False)
            log.warning("call_superseded", call_id=call_id, attach_number=attach_number)
            if self._on_superseded is not None:
                self._on_superseded(call_id, attach_number)
        if superseded:
            self.entries += sum(entry.attach_number < superseded.get(entry.call_id, 0) for entry in entries)
