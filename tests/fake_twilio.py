"""A Twilio account small enough to see through: the REST calls that we make, over real HTTP."""

from __future__ import annotations

import asyncio
import base64
import itertools
from typing import Any

from aiohttp import web

ACCOUNT = "AC00000000000000000000000000000001"
TOKEN = "the-token"

Form = dict[str, list[str]]


class FakeTwilio:
    """Start it, point a TwilioAccount at `url`, look at what it was asked."""

    def __init__(self) -> None:
        self.numbers: dict[str, dict[str, Any]] = {}
        """By sid; Twilio's own field names."""
        self.for_sale = [{"phone_number": "+14155550123", "locality": "San Francisco", "region": "CA"}]
        self.dialled: list[Form] = []
        self.updated: list[tuple[str, Form]] = []
        self.searched: list[dict[str, str]] = []
        self.accepted_tokens = {TOKEN}
        self.calls: dict[str, dict[str, Any]] = {}
        """By sid, what is fetched of them; Twilio's own field names."""
        self.refuse_with: tuple[int, int, str] | None = None
        """HTTP status, Twilio's code and message for the next requests."""
        self.answers = asyncio.Event()
        """Cleared: requests are read, and not answered."""
        self.answers.set()
        self.asked = asyncio.Event()
        """Set by each request."""
        self.drops_connections = False
        self.url = ""
        self._sids = itertools.count(1)
        self._runner: web.AppRunner | None = None

    def own(self, number: str, **fields: Any) -> str:
        """Put a number into the account; returns its sid."""
        sid = f"PN{next(self._sids):032x}"
        self.numbers[sid] = {"sid": sid, "phone_number": number, "voice_url": "", **fields}
        return sid

    async def start(self) -> None:
        app = web.Application(middlewares=[self._gate])
        base = f"/2010-04-01/Accounts/{ACCOUNT}"
        app.router.add_get(f"{base}.json", self._account)
        app.router.add_post(f"{base}/Calls.json", self._create_call)
        app.router.add_get(f"{base}/Calls.json", self._list_calls)
        app.router.add_get(f"{base}/Calls/{{sid}}.json", self._fetch_call)
        app.router.add_post(f"{base}/Calls/{{sid}}.json", self._update_call)
        app.router.add_get(f"{base}/IncomingPhoneNumbers.json", self._list_numbers)
        app.router.add_post(f"{base}/IncomingPhoneNumbers.json", self._buy_number)
        app.router.add_post(f"{base}/IncomingPhoneNumbers/{{sid}}.json", self._update_number)
        app.router.add_get(f"{base}/AvailablePhoneNumbers/{{country}}/Local.json", self._for_sale)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def stop(self) -> None:
        self.answers.set()
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _gate(self, request: web.Request, handler: Any) -> web.StreamResponse:
        expected = {
            "Basic " + base64.b64encode(f"{ACCOUNT}:{token}".encode()).decode()
            for token in self.accepted_tokens
        }
        if request.headers.get("Authorization") not in expected:
            return _refusal(401, 20003, "Authenticate")
        self.asked.set()
        if self.refuse_with is not None and request.method == "POST":
            return _refusal(*self.refuse_with)
        if self.drops_connections:
            await handler(request)
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        await self.answers.wait()
        return await handler(request)

    async def _account(self, _: web.Request) -> web.Response:
        return web.json_response({"sid": ACCOUNT, "friendly_name": "Practice", "status": "active"})

    async def _create_call(self, request: web.Request) -> web.Response:
        self.dialled.append(await _form(request))
        sid = f"CA{next(self._sids):032x}"
        return web.json_response({"sid": sid, "status": "queued"}, status=201)

    async def _list_calls(self, request: web.Request) -> web.Response:
        parent = request.query["ParentCallSid"]
        found = [call for call in self.calls.values() if call.get("parent_call_sid") == parent]
        return web.json_response({"calls": found, "next_page_uri": None})

    async def _fetch_call(self, request: web.Request) -> web.Response:
        call = self.calls.get(request.match_info["sid"])
        return _refusal(404, 20404, "not found") if call is None else web.json_response(call)

    async def _update_call(self, request: web.Request) -> web.Response:
        self.updated.append((request.match_info["sid"], await _form(request)))
        return web.json_response({"sid": request.match_info["sid"]})

    async def _list_numbers(self, request: web.Request) -> web.Response:
        wanted = request.query.get("PhoneNumber", "")
        found = [number for number in self.numbers.values() if wanted in number["phone_number"]]
        return web.json_response({"incoming_phone_numbers": found, "next_page_uri": None})

    async def _buy_number(self, request: web.Request) -> web.Response:
        number = (await _form(request))["PhoneNumber"][0]
        if number not in {one["phone_number"] for one in self.for_sale}:
            return _refusal(400, 21422, "PhoneNumber is not available")
        sid = self.own(number, voice_url="https://demo.twilio.com/welcome/voice/")
        return web.json_response(self.numbers[sid], status=201)

    async def _update_number(self, request: web.Request) -> web.Response:
        number = self.numbers.get(request.match_info["sid"])
        if number is None:
            return _refusal(404, 20404, "The requested resource was not found")
        for name, values in (await _form(request)).items():
            number["".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")] = values[0]
        return web.json_response(number)

    async def _for_sale(self, request: web.Request) -> web.Response:
        self.searched.append({"country": request.match_info["country"], **request.query})
        return web.json_response({"available_phone_numbers": self.for_sale, "next_page_uri": None})


def _refusal(status: int, code: int, message: str) -> web.Response:
    more = f"https://www.twilio.com/docs/errors/{code}"
    return web.json_response(
        {"code": code, "message": message, "more_info": more, "status": status}, status=status
    )


async def _form(request: web.Request) -> Form:
    form = await request.post()
    return {name: [str(value) for value in form.getall(name)] for name in form}
