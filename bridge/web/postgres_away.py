"""What Twilio is answered while Postgres is away or too slow: to come again, and at last an apology."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Request, Response
from litestar.types import ASGIApp, Receive, Scope, Send
from sqlalchemy.exc import SQLAlchemyError

from bridge.runtime.live_calls import LiveCalls
from bridge.web.form import TwilioForm
from bridge.web.xml import Xml
from telephony import twiml

AWAY = (SQLAlchemyError, OSError, TimeoutError)
WEBHOOK_SECONDS = 4.0
"""Twilio reads for 4.5 s (`telephony.addresses`), then asks again: our own word comes before that."""


@asynccontextmanager
async def in_time(live_calls: LiveCalls, seconds: float) -> AsyncGenerator[None]:
    """What is asked of Postgres within is over after so long. Raises TimeoutError; at once, if Postgres did
    not take what it was offered last."""
    if live_calls.journal.away:
        raise TimeoutError
    async with asyncio.timeout(seconds):
        yield


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
