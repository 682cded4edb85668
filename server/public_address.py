"""Does the public address lead to this server, as Twilio finds it: https, then a signed upgrade to wss?"""

from __future__ import annotations

import asyncio
import socket
import ssl
from urllib.parse import urlsplit

import httpx
from msgspec import Struct
from twilio.request_validator import RequestValidator
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidStatus

from bridge.web.signature import SIGNATURE_HEADER

TIMEOUT_S = 10.0


class Trouble(Struct, frozen=True):
    what: str
    mend: str


async def trouble_with(public_url: str, auth_token: str, media_url: str) -> Trouble | None:
    """None: both ways lead here, and signatures made with `auth_token` are accepted."""
    return await _over_https(public_url) or await _over_wss(media_url, auth_token)


async def _over_https(public_url: str) -> Trouble | None:
    try:
        async with asyncio.timeout(TIMEOUT_S), httpx.AsyncClient(timeout=TIMEOUT_S) as client:
            answer = await client.get(f"{public_url}/healthz")
            # Unsigned, so it has to be refused, and by us.
            door = await client.post(f"{public_url}/twilio/voice")
    except (httpx.HTTPError, TimeoutError) as error:
        return _unreached(public_url, error)
    statuses = (answer.status_code, door.status_code)
    if answer.status_code in {502, 503, 504}:
        what = f"{public_url} is a proxy that does not reach this server ({answer.status_code})"
        return Trouble(what, "Start the server, and let WORKERS_AT name the workers' addresses.")
    if statuses != (200, 403):
        what = f"{public_url} is answered by something else ({statuses[0]}, {statuses[1]})"
        return Trouble(what, "Let the proxy pass everything but /metrics to this server.")
    return None


async def _over_wss(media_url: str, auth_token: str) -> Trouble | None:
    signature: str = RequestValidator(auth_token).compute_signature(media_url, {})  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] (the package carries no types)
    headers = {SIGNATURE_HEADER: signature}  # pyright: ignore[reportUnknownVariableType] (as above)
    try:
        async with connect(media_url, additional_headers=headers, open_timeout=TIMEOUT_S, proxy=None):
            return None
    except InvalidStatus as refused:
        status = refused.response.status_code
        if status == 403:
            mend = "TWILIO_AUTH_TOKEN and PUBLIC_URL must be the same here and where the server runs."
            return Trouble(f"{media_url} refuses a signature like Twilio's (403)", mend)
        mend = "Let the proxy pass upgrades to WebSockets, with their headers, to this server."
        return Trouble(f"{media_url} does not become a WebSocket ({status})", mend)
    except (InvalidHandshake, OSError, TimeoutError) as error:
        return _unreached(media_url, error)


def _unreached(url: str, error: BaseException) -> Trouble:
    """The first reason in the chain of errors that says something of its own."""
    host = urlsplit(url).hostname or url
    reason: BaseException | None = error
    while reason is not None:
        match reason:
            case ssl.SSLCertVerificationError():
                what = f"{host}: the certificate is not accepted: {reason.verify_message}"
                return Trouble(
                    what, "Twilio needs a public certificate for this very name: look at Caddy's log."
                )
            case ssl.SSLError():
                what = f"{host} does not speak TLS as it should ({reason.reason or 'no reason given'})"
                return Trouble(
                    what, "Without a certificate yet, Caddy refuses: look at its log; DNS must lead here."
                )
            case socket.gaierror():
                return Trouble(
                    f"{host} has no address in DNS", f"Make an A record for {host} that leads here."
                )
            case ConnectionRefusedError():
                what = f"{host} refuses the connection"
                return Trouble(what, "Start the proxy, and let the firewall pass ports 80 and 443.")
            case _:
                reason = reason.__cause__ or reason.__context__
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        what = f"{host} does not answer within {TIMEOUT_S:.0f} s"
        return Trouble(what, "Let the firewall pass ports 80 and 443, and look where DNS leads.")
    what = f"{host} breaks off ({type(error).__name__})"
    return Trouble(what, "Look at the log of the proxy in front of this server.")
