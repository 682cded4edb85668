"""What Twilio is answered while Postgres is away or too slow: to come again, and at last an apology."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import Request, Response
from litestar.types import ASGIApp, Receive, Scope, Send

from bridge.web.form import TwilioForm
from bridge.web.xml import Xml
from telephony import twiml

WEBHOOK_SECONDS = 4.0
"""Twilio reads for 4.5 s (`telephony.addresses`), then asks again: our own word comes before that."""


def within_twilios_limit(app: ASGIApp) -> ASGIApp:
    async def limited(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            async with asyncio.timeout(WEBHOOK_SECONDS):
                await app(scope, receive, send)
        else:
            await app(scope, receive, send)

    return limited


def try_again(request: Request[Any, Any, Any], _error: Exception) -> Response[Any]:
    """503: Twilio repeats its webhook, at another process too, and then asks the fallback address.

    It says so there (`ErrorUrl`), and nobody will be asked after us: the caller is to hear a word.
    https://www.twilio.com/docs/usage/security/availability-reliability
    """
    form = getattr(request.state, "twilio_form", None)
    if isinstance(form, TwilioForm) and form.text("ErrorUrl"):
        return Xml(twiml.apologise(None))
    return Response(None, status_code=503, headers={"Retry-After": "1"})
