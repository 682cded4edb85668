"""The Twilio account, through its REST API. Every request is over within `REQUEST_SECONDS`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar
from urllib.parse import urlsplit

import httpx
from msgspec import Struct
from twilio.base import values
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.rest import Client
from twilio.rest.api.v2010.account.incoming_phone_number import IncomingPhoneNumberInstance

from telephony.call_price import CallPrice, price_of
from telephony.twilio_errors import NOT_IN_PROGRESS, TwilioRefused, TwilioUnreachable, refusal
from telephony.twilio_http import TwilioHttp

__all__ = [
    "AvailableNumber",
    "MachineDetection",
    "OwnedNumber",
    "TwilioAccount",
    "TwilioRefused",
    "TwilioUnreachable",
    "Webhooks",
]

REQUEST_SECONDS = 9.0
"""`POST /v1/calls` waits for Twilio up to 10 s."""

STATUS_EVENTS = ["initiated", "ringing", "answered", "completed"]

Answer = TypeVar("Answer")


class Webhooks(Struct, frozen=True, kw_only=True):
    """What Twilio does when a number is called. An application or a trunk wins over `voice_url`."""

    voice_url: str = ""
    voice_method: str = "POST"
    voice_fallback_url: str = ""
    voice_fallback_method: str = "POST"
    status_callback: str = ""
    status_callback_method: str = "POST"
    voice_application_sid: str = ""
    trunk_sid: str = ""


class OwnedNumber(Struct, frozen=True, kw_only=True):
    sid: str
    number: str
    """E.164."""
    webhooks: Webhooks


class AvailableNumber(Struct, frozen=True, kw_only=True):
    """A number that can be bought."""

    number: str
    locality: str | None
    region: str | None


class MachineDetection(Struct, frozen=True, kw_only=True):
    """Beside the call, which does not wait for it.

    https://www.twilio.com/docs/voice/answering-machine-detection"""

    callback: str
    until_message_end: bool
    """Machines are told of when it is time to leave a message; otherwise as soon as they are known."""


class TwilioAccount:
    """`auth_tokens` may hold several while they are rotated: the one that Twilio accepts is kept in use.

    Every method raises `TwilioRefused` or `TwilioUnreachable`.
    """

    def __init__(
        self,
        account_sid: str,
        auth_tokens: Sequence[str],
        base_url: str,
        *,
        request_seconds: float = REQUEST_SECONDS,
    ) -> None:
        self.account_sid = account_sid
        self._tokens = list(auth_tokens)
        self._base_url = base_url.rstrip("/")
        self._request_seconds = request_seconds
        self._http: TwilioHttp | None = None
        self._clients: dict[str, Client] = {}
        """By token. Each is a ring of objects, which would have to be found by the garbage collector."""

    @property
    def is_real(self) -> bool:
        """Whether this is Twilio itself, which reaches us over the public internet only."""
        host = urlsplit(self._base_url).hostname or ""
        return host == "twilio.com" or host.endswith(".twilio.com")

    async def place_call(
        self,
        *,
        to: str,
        from_: str,
        url: str,
        status_callback: str,
        fallback_url: str,
        timeout_seconds: int = 60,
        time_limit_seconds: int | None = None,
        machine_detection: MachineDetection | None = None,
    ) -> str:
        """Dial, and return the CallSid. Never repeated by us: Twilio has no idempotency key for it."""
        detection = {} if machine_detection is None else _machine_detection(machine_detection)
        call = await self._ask(
            lambda client: client.calls.create_async(
                to=to,
                from_=from_,
                url=url,
                status_callback=status_callback,
                status_callback_event=STATUS_EVENTS,
                fallback_url=fallback_url,
                timeout=timeout_seconds,
                time_limit=values.unset if time_limit_seconds is None else time_limit_seconds,
                **detection,
            )
        )
        return _known(call.sid)

    async def end_call(self, call_sid: str) -> None:
        """Hang up, whether it rings or is answered. A call that is over already is fine."""
        try:
            await self._ask(lambda client: client.calls(call_sid).update_async(status="completed"))
        except TwilioRefused as refused:
            if refused.code != NOT_IN_PROGRESS and refused.status != 404:
                raise

    async def redirect_call(
        self, call_sid: str, twiml: str, *, time_limit_seconds: int | None = None
    ) -> None:
        """Replace what the call is doing with this TwiML."""
        limit = values.unset if time_limit_seconds is None else time_limit_seconds
        await self._ask(lambda client: client.calls(call_sid).update_async(twiml=twiml, time_limit=limit))

    async def call_status(self, call_sid: str) -> str | None:
        """How the call is, in Twilio's words. None: Twilio knows of no such call."""
        try:
            call = await self._ask(lambda client: client.calls(call_sid).fetch_async())
        except TwilioRefused as refused:
            if refused.status == 404:
                return None
            raise
        return _known(None if call.status is None else str(call.status))

    async def call_price(self, call_sid: str) -> CallPrice | None:
        """What the call cost, with the calls that it dialled. None: Twilio has not rated it yet."""
        call = await self._ask(lambda client: client.calls(call_sid).fetch_async())
        dialled = await self._ask(
            lambda client: client.calls.list_async(parent_call_sid=call_sid, page_size=50, limit=50)
        )
        try:
            return price_of(call, dialled)
        except ArithmeticError as error:
            raise TwilioUnreachable("the price was not a number") from error

    async def find_number(self, number: str) -> OwnedNumber | None:
        """One of the account's own numbers; `number` is E.164."""
        found = await self._ask(
            lambda client: client.incoming_phone_numbers.list_async(phone_number=number, limit=50)
        )
        return next((_owned(one) for one in found if one.phone_number == number), None)

    async def list_numbers(self) -> list[OwnedNumber]:
        found = await self._ask(lambda client: client.incoming_phone_numbers.list_async(page_size=1000))
        return [_owned(one) for one in found]

    async def set_webhooks(self, number_sid: str, webhooks: Webhooks) -> None:
        await self._ask(
            lambda client: client.incoming_phone_numbers(number_sid).update_async(
                voice_url=webhooks.voice_url,
                voice_method=webhooks.voice_method,
                voice_fallback_url=webhooks.voice_fallback_url,
                voice_fallback_method=webhooks.voice_fallback_method,
                status_callback=webhooks.status_callback,
                status_callback_method=webhooks.status_callback_method,
                voice_application_sid=webhooks.voice_application_sid,
                trunk_sid=webhooks.trunk_sid,
            )
        )

    async def buy_number(self, number: str) -> OwnedNumber:
        """Costs money each month until it is released in Twilio."""
        return _owned(
            await self._ask(lambda client: client.incoming_phone_numbers.create_async(phone_number=number))
        )

    async def available_numbers(
        self,
        country: str,
        *,
        area_code: str | None = None,
        contains: str | None = None,
        limit: int = 20,
    ) -> list[AvailableNumber]:
        """Local numbers for sale that can take calls; `country` is ISO 3166, `area_code` for +1 only."""
        found = await self._ask(
            lambda client: client.available_phone_numbers(country).local.list_async(
                area_code=values.unset if area_code is None else area_code,  # pyright: ignore[reportArgumentType] (typed as int there; goes out as text)
                contains=values.unset if contains is None else contains,
                voice_enabled=True,
                limit=limit,
                page_size=limit,
            )
        )
        return [
            AvailableNumber(number=_known(one.phone_number), locality=one.locality, region=one.region)
            for one in found
        ]

    async def check(self) -> str:
        """That the credentials are accepted: the account's name and status."""
        account = await self._ask(lambda client: client.api.v2010.accounts(self.account_sid).fetch_async())
        return f"{account.friendly_name} ({account.status})"

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()
            self._http = None
            self._clients.clear()

    async def _ask(self, request: Callable[[Client], Awaitable[Answer]]) -> Answer:
        try:
            async with asyncio.timeout(self._request_seconds):
                return await self._ask_with_some_token(request)
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL) as error:
            raise TwilioUnreachable(f"no answer from Twilio: {type(error).__name__}") from error
        except TwilioRestException as error:
            if error.status >= 500:
                raise TwilioUnreachable(f"Twilio answered {error.status}") from error
            raise refusal(error.code or None, error.msg, error.status) from error
        except (TwilioException, ValueError, TypeError, KeyError) as error:
            raise TwilioUnreachable("the answer was not Twilio's") from error

    async def _ask_with_some_token(self, request: Callable[[Client], Awaitable[Answer]]) -> Answer:
        """A request that Twilio answered with 401 was not carried out, so the next token may be tried."""
        for token in self._tokens[:-1]:
            try:
                return await request(self._client(token))
            except TwilioRestException as error:
                if error.status != 401:
                    raise
        answer = await request(self._client(self._tokens[-1]))
        self._tokens = [self._tokens[-1], *self._tokens[:-1]]
        return answer

    def _client(self, token: str) -> Client:
        # Made late because it belongs to the running loop. The environment is ours to read, not the client's.
        if self._http is None:
            self._http = TwilioHttp(self._request_seconds)
        client = self._clients.get(token)
        if client is None:
            client = Client(self.account_sid, token, http_client=self._http, environment={})
            client.api.base_url = self._base_url
            self._clients[token] = client
        return client


def _machine_detection(asked: MachineDetection) -> dict[str, str]:
    return {
        "machine_detection": "DetectMessageEnd" if asked.until_message_end else "Enable",
        "async_amd": "true",
        "async_amd_status_callback": asked.callback,
        "async_amd_status_callback_method": "POST",
    }


def _owned(found: IncomingPhoneNumberInstance) -> OwnedNumber:
    return OwnedNumber(
        sid=_known(found.sid),
        number=_known(found.phone_number),
        webhooks=Webhooks(
            voice_url=found.voice_url or "",
            voice_method=found.voice_method or "POST",
            voice_fallback_url=found.voice_fallback_url or "",
            voice_fallback_method=found.voice_fallback_method or "POST",
            status_callback=found.status_callback or "",
            status_callback_method=found.status_callback_method or "POST",
            voice_application_sid=found.voice_application_sid or "",
            trunk_sid=found.trunk_sid or "",
        ),
    )


def _known(text: str | None) -> str:
    if not text:
        raise TwilioUnreachable("Twilio's answer lacks what was asked for")
    return text
