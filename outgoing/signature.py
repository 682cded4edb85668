"""Signatures by which receivers know that a webhook is ours: https://www.standardwebhooks.com"""

from __future__ import annotations

import base64
import hashlib
import hmac


def signed_headers(secret: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """`secret` is `whsec_…`; `timestamp`, in seconds, that of this attempt: receivers refuse old ones."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }
