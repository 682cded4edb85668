"""How a call reaches the bridge: a plain media socket, or as Twilio does it, webhook, TwiML, media socket."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import ssl
import time
from collections.abc import Mapping
from xml.etree import ElementTree

import aiohttp
from picows import (
    WSError,
    ws_connect,  # pyright: ignore[reportUnknownVariableType] (picows leaves what it passes on to asyncio untyped)
)

from bench.load.model import Model
from bench.load.pacer import Pacer
from bench.load.phone import Phone
from bench.load.spec import Target
from bench.load.tally import Tally

CALLER = "+14155550101"
SETUP_S = 0.4
"""From the TwiML to the media socket's upgrade at Twilio."""
OPEN_S = 10.0


class CallFailed(Exception):
    """The bridge did not take the call."""


class Switchboard:
    def __init__(
        self, target: Target, control_url: str, model: Model, tallies: tuple[Tally, Tally], pacer: Pacer
    ) -> None:
        self._target, self._control_url = target, control_url
        self._model, self._tallies, self._pacer = model, tallies, pacer
        self._made = 0
        self._run = secrets.token_hex(8)
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(OPEN_S))
        secure = target.url.startswith("https:")
        self._context = ssl.create_default_context(cafile=target.trust or None) if secure else None
        self.phones: dict[str, Phone] = {}
        """By CallSid."""
        self.failures: dict[str, int] = {}

    async def close(self) -> None:
        await self._http.close()

    async def call(self, *, control: bool = False) -> Phone:
        """Returns once `start` was sent. Raises CallFailed."""
        self._made += 1
        number = self._made * 2 + control
        tally = self._tallies[control]
        tally.counts.calls_made += 1
        phone = None
        try:
            if control:
                phone = await self._open(number, tally, self._control_url, {}, {})
            elif self._target.product:
                phone = await self._as_twilio(number, tally)
            else:
                phone = await self._open(number, tally, self._target.url, {}, {})
        except (OSError, TimeoutError, WSError, aiohttp.ClientError, ElementTree.ParseError) as error:
            self.failed(f"{type(error).__name__}: {error}")
            raise CallFailed(f"{type(error).__name__}: {error}") from error
        return phone

    async def over(self, phone: Phone) -> None:
        """The phone was hung up: Twilio says so."""
        sid = self._call_sid(phone.number)
        if self.phones.pop(sid, None) is None:
            return
        status = self._form(phone.number) | {"CallStatus": "completed", "CallDuration": "10"}
        try:
            async with self._post("/twilio/status", status) as answer:
                await answer.read()
        except (TimeoutError, aiohttp.ClientError) as error:
            self.failed(f"status callback: {type(error).__name__}")

    def failed(self, what: str) -> None:
        self._tallies[0].counts.calls_failed += 1
        self.failures[what[:200]] = self.failures.get(what[:200], 0) + 1

    async def _as_twilio(self, number: int, tally: Tally) -> Phone:
        began = time.monotonic_ns()
        async with self._post("/twilio/voice", self._form(number)) as answer:
            text = await answer.text()
            if answer.status != 200:
                raise OSError(f"webhook: {answer.status}")
        tally.twiml.add(time.monotonic_ns() - began)
        # Our own server's answer.
        stream = ElementTree.fromstring(text).find("Connect/Stream")  # noqa: S314
        if stream is None:
            raise OSError("the TwiML connects no stream")
        await asyncio.sleep(SETUP_S)
        url = stream.attrib["url"]
        parameters = {one.attrib["name"]: one.attrib["value"] for one in stream.iter("Parameter")}
        headers = {"x-twilio-signature": self._signature(url, {})}
        return await self._open(number, tally, url, parameters, headers)

    async def _open(
        self, number: int, tally: Tally, url: str, parameters: dict[str, str], headers: Mapping[str, str]
    ) -> Phone:
        phone = Phone(
            number,
            call_sid=self._call_sid(number),
            account_sid=self._target.account_sid,
            parameters=parameters,
            model=self._model,
            tally=tally,
            pacer=self._pacer,
        )
        await ws_connect(
            lambda: phone,
            url,
            extra_headers=dict(headers),
            ssl_context=self._context if url.startswith("wss:") else None,
            websocket_handshake_timeout=OPEN_S,
            read_buffer_init_size=4096,
        )
        if tally is self._tallies[0] and self._target.product:
            self.phones[self._call_sid(number)] = phone
        phone.start()
        return phone

    def _form(self, number: int) -> dict[str, str]:
        return {
            "CallSid": self._call_sid(number),
            "AccountSid": self._target.account_sid,
            "From": CALLER,
            "To": self._target.number,
            "CallStatus": "ringing",
            "Direction": "inbound",
            "ApiVersion": "2010-04-01",
        }

    def _post(self, path: str, form: dict[str, str]) -> aiohttp.client._RequestContextManager:  # pyright: ignore[reportPrivateUsage] (aiohttp names it nowhere else)
        url = self._target.url + path
        headers = {"X-Twilio-Signature": self._signature(url, form)}
        return self._http.post(url, data=form, headers=headers, ssl=self._context or True)

    def _signature(self, url: str, form: Mapping[str, str]) -> str:
        """https://www.twilio.com/docs/usage/security#validating-requests"""
        signed = url + "".join(f"{name}{form[name]}" for name in sorted(form))
        digest = hmac.new(self._target.auth_token.encode(), signed.encode(), hashlib.sha1).digest()
        return base64.b64encode(digest).decode()

    def _call_sid(self, number: int) -> str:
        """No run repeats those of another: the database remembers them."""
        return f"CA{self._run}{number:016x}"
