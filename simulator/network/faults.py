"""What goes wrong on request: REST that fails or is slow, callbacks twice or not in order, no stream."""

from __future__ import annotations

import msgspec


class RestFault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Used for one REST request whose path contains `path`, then forgotten."""

    path: str = ""
    method: str = ""
    status: int = 0
    """Answered instead of doing anything; 0: the request is carried out."""
    code: int = 20500
    slow_ms: int = 0
    """Waited before answering."""
    lose_answer: bool = False
    """The request is carried out, and the connection closed without an answer."""


class Faults(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    rest: list[RestFault] = msgspec.field(default_factory=list[RestFault])
    duplicate_callbacks: bool = False
    """Each status callback comes twice, with the same I-Twilio-Idempotency-Token."""
    reorder_callbacks: bool = False
    """Each second status callback overtakes the one before it."""

    refuse_streams: int = 0
    """So many media streams find nobody who lets them in (31920)."""

    def take_over(self, other: Faults) -> None:
        """From now on what `other` says."""
        self.rest = other.rest
        self.duplicate_callbacks = other.duplicate_callbacks
        self.reorder_callbacks = other.reorder_callbacks
        self.refuse_streams = other.refuse_streams

    def refuses_stream(self) -> bool:
        """Asked once for each stream."""
        refuses = self.refuse_streams > 0
        self.refuse_streams -= refuses
        return refuses

    def take(self, method: str, path: str) -> RestFault | None:
        for fault in self.rest:
            if fault.path in path and fault.method in ("", method):
                self.rest.remove(fault)
                return fault
        return None
