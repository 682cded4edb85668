"""What a signed webhook of Twilio's says."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import parse_qsl

from litestar import Request
from litestar.di import Provide
from litestar.exceptions import PermissionDeniedException
from litestar.params import Dependency

from bridge.web.signature import Signatures


class TwilioForm(dict[str, str]):
    """Parameters by Twilio's names. New ones appear without notice and blank ones are common."""

    @property
    def call_sid(self) -> str:
        return self.get("CallSid", "")

    @property
    def call_status(self) -> str:
        return self.get("CallStatus", "")

    @property
    def sequence(self) -> int | None:
        digits = self.get("SequenceNumber", "")
        return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 9 else None


async def signed_form(request: Request[Any, Any, Any], signatures: Signatures) -> TwilioForm:
    """Raises PermissionDeniedException unless it was Twilio who sent it."""
    body = (await request.body()).decode("utf-8", "replace")
    query = request.scope["query_string"].decode("latin-1")
    path = request.scope["raw_path"].decode("latin-1").partition("?")[0]
    if not signatures.right_webhook(f"{path}?{query}" if query else path, body, request.headers):
        raise PermissionDeniedException("The X-Twilio-Signature is missing or wrong.")
    return TwilioForm(parse_qsl(body, keep_blank_values=True))


Form = Annotated[TwilioForm, Dependency(skip_validation=True)]
provide_form = Provide(signed_form)
