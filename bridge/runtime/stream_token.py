"""Which media stream is whose. A token is good for one attach of one call, for a minute."""

from __future__ import annotations

import datetime as dt
import hmac
from collections.abc import Sequence
from hashlib import sha256

from msgspec import Struct


class StreamClaim(Struct, frozen=True):
    call_id: str
    attach_number: int
    """Of the stream that the token is for; using the token up raises the call's to it."""


class StreamTokens:
    """The first key signs, any verifies. The same facts give the same token: a repeated webhook repeats its
    TwiML."""

    def __init__(self, secret_keys: Sequence[str]) -> None:
        self._keys = [sha256(b"callbridge stream token\0" + key.encode()).digest() for key in secret_keys]

    def sign(self, *, call_id: str, call_sid: str, attach_number: int, expires_at: dt.datetime) -> str:
        claim = f"{call_id}.{attach_number}.{int(expires_at.timestamp())}"
        return f"{claim}.{_signature(self._keys[0], claim, call_sid)}"

    def verify(self, token: str, *, call_sid: str, now: dt.datetime) -> StreamClaim | None:
        """`call_sid` as the stream's own `start` names it. None: forged, of another call, or too late."""
        claim, _, signature = token.rpartition(".")
        right = any(
            hmac.compare_digest(_signature(key, claim, call_sid).encode(), signature.encode())
            for key in self._keys
        )
        if not right:
            return None
        call_id, attach_number, expires_at = claim.split(".")
        return None if now.timestamp() > int(expires_at) else StreamClaim(call_id, int(attach_number))


def _signature(key: bytes, claim: str, call_sid: str) -> str:
    return hmac.new(key, f"{claim}.{call_sid}".encode(), sha256).hexdigest()
