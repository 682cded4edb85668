"""Connections that OpenAI does not accept, for a while or so many times."""

from __future__ import annotations

import msgspec


class HandshakeFault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One connection is treated like this, or `times`, or all of them for `seconds`."""

    status: int = 0
    """Instead of the upgrade: 429, 500, 503. 0: it hangs, and is then accepted."""
    hang_s: float = 0.0
    """Before anything is answered."""
    times: int = 1
    seconds: float | None = None


class HandshakeFaults:
    """Those that are still to come, in order."""

    def __init__(self) -> None:
        self._waiting: list[tuple[HandshakeFault, float | None]] = []

    def add(self, fault: HandshakeFault, now: float) -> None:
        self._waiting.append((fault, None if fault.seconds is None else now + fault.seconds))

    def clear(self) -> None:
        self._waiting.clear()

    def take(self, now: float) -> HandshakeFault | None:
        """What becomes of the connection that is asked for now; None: it is welcome."""
        while self._waiting:
            fault, until = self._waiting[0]
            if until is not None and now < until:
                return fault
            if until is None and fault.times > 0:
                fault.times -= 1
                return fault
            self._waiting.pop(0)
        return None
