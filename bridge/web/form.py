"""What a signed webhook of Twilio's says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from litestar import Request
from litestar.di import NamedDependency, Provide
from litestar.exceptions import PermissionDeniedException

from bridge.web.signature import Signatures


class TwilioForm:
    """Parameters by Twilio's names. New ones appear without notice, blank ones are common, none is sure to
    be there."""

    def __init__(self, parameters: Iterable[tuple[str, str]], *, idempotency_token: str = "") -> None:
        self._parameters = dict(parameters)
        self.idempotency_token = idempotency_token
        """The same when Twilio repeats a webhook; empty where it sent none."""

    def text(self, name: str) -> str:
        """Empty where there is none."""
        return self._parameters.get(name, "")

    @property
    def call_sid(self) -> str:
        return self.text("CallSid")

    @property
    def call_status(self) -> str:
        return self.text("CallStatus")

    @property
    def sequence(self) -> int | None:
        digits = self.text("SequenceNumber")
        return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 9 else None


async def signed_form(request: Request[Any, Any, Any], signatures: NamedDependency[Signatures]) -> TwilioForm:
    """Raises PermissionDeniedException unless it was Twilio who sent it."""
    body = (await request.body()).decode("utf-8", "replace")
    query = request.scope["query_string"].decode("latin-1")
    path = request.scope["raw_path"].decode("latin-1").partition("?")[0]
    if not signatures.right_webhook(f"{path}?{query}" if query else path, body, request.headers):
        raise PermissionDeniedException("The X-Twilio-Signature is missing or wrong.")
    request.state.twilio_form = form = TwilioForm(
        parse_qsl(body, keep_blank_values=True),
        idempotency_token=request.headers.get("I-Twilio-Idempotency-Token", ""),
    )
    return form


Form = NamedDependency[TwilioForm]
provide_form = Provide(signed_form)
