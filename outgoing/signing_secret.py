"""The secret by which an operator's systems know that a tool's request is ours; nothing has to be stored."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def tool_signing_secrets(secret_keys: Sequence[str]) -> list[str]:
    """One for each key of `SECRET_KEY`, as `whsec_…`; the first is the current one."""
    return [f"whsec_{base64.b64encode(_derived(key)).decode()}" for key in secret_keys]


def _derived(secret_key: str) -> bytes:
    # Its own purpose, so that operators who know it know nothing else that is made from SECRET_KEY.
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"callbridge tool signing v1").derive(
        secret_key.encode()
    )
