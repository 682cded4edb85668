"""Is it Twilio that calls? https://www.twilio.com/docs/usage/security#validating-requests"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from litestar.datastructures import MultiDict
from twilio.request_validator import (
    HMAC_SHA1,
    RequestValidator,
    get_signature_algorithm,  # pyright: ignore[reportUnknownVariableType] (the package carries no types)
)

SIGNATURE_HEADER = "x-twilio-signature"
SETTINGS_HEADER = "x-twilio-webhooks-signature-settings"


class Signatures:
    """`public_url` is where Twilio believes us to be: a request's own headers are never asked."""

    def __init__(self, public_url: str, auth_tokens: Sequence[str]) -> None:
        self._public_url = public_url.rstrip("/")
        self._validators = [RequestValidator(token) for token in auth_tokens]

    def right_webhook(self, path: str, body: str, headers: Mapping[str, str]) -> bool:
        """`path` with its query as it was requested; `body` a form."""
        form = MultiDict(parse_qsl(body, keep_blank_values=True))
        return self._right([self._public_url + path], form, headers)

    def right_upgrade(self, path: str, headers: Mapping[str, str]) -> bool:
        """Of the media socket. Twilio signs the `wss` address, at times with a slash at the end; users report
        `https` in its place."""
        http = self._public_url + path.rstrip("/")
        socket = http.replace("http", "ws", 1)
        return self._right([socket, f"{socket}/", http, f"{http}/"], MultiDict(), headers)

    def _right(self, urls: Sequence[str], form: MultiDict[str], headers: Mapping[str, str]) -> bool:
        signature = headers.get(SIGNATURE_HEADER)
        if signature is None or not self._by_auth_token(headers):
            return False
        return any(_valid(validator, url, form, signature) for url in urls for validator in self._validators)

    @staticmethod
    def _by_auth_token(headers: Mapping[str, str]) -> bool:
        """The header announces a signature by a shared key, which we have none of; what else it says is
        refused."""
        return get_signature_algorithm(headers.get(SETTINGS_HEADER)) == HMAC_SHA1


def _valid(validator: RequestValidator, url: str, form: MultiDict[str], signature: str) -> bool:
    return validator.validate(url, form, signature) is True  # pyright: ignore[reportUnknownMemberType] (as above)
