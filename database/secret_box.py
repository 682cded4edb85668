"""Secrets at rest: encrypted with keys derived from `SECRET_KEY`, which may be rotated."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class UnreadableSecret(Exception):
    """It was encrypted with a key that is no longer in `SECRET_KEY`, or it was tampered with."""


class SecretBox:
    """The first key encrypts; all of them decrypt."""

    def __init__(self, secret_keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(_derived(key)) for key in secret_keys])

    def encrypt(self, secret: str) -> str:
        return self._fernet.encrypt(secret.encode()).decode()

    def decrypt(self, encrypted: str) -> str:
        try:
            return self._fernet.decrypt(encrypted.encode()).decode()
        except InvalidToken as error:
            raise UnreadableSecret("encrypted with a key that is no longer in SECRET_KEY") from error


def _derived(secret_key: str) -> bytes:
    # Its own purpose, so that whatever else is signed with SECRET_KEY tells nothing about this key.
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"callbridge stored secrets v1")
    return base64.urlsafe_b64encode(key.derive(secret_key.encode()))
