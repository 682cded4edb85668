"""As much of Twilio's REST API as a bridge needs that answers calls: its number, a call's end and price."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

Ended = Callable[[str], None]
"""The bridge has ended or redirected the call of this CallSid: its stream stops."""

PAGE = {"first_page_uri": "", "next_page_uri": None, "page": 0, "page_size": 50, "uri": ""}


class TwilioRest:
    def __init__(self, on_ended: Ended) -> None:
        self._on_ended = on_ended
        self._number: dict[str, Any] = {"voice_url": "", "status_callback": ""}

    async def listen(self, port: int) -> None:
        application = web.Application()
        account = "/2010-04-01/Accounts/{account}"
        application.add_routes(
            [
                web.get(f"{account}/IncomingPhoneNumbers.json", self._numbers),
                web.post(f"{account}/IncomingPhoneNumbers/{{sid}}.json", self._set_up),
                web.post(f"{account}/Calls/{{sid}}.json", self._end),
                web.get(f"{account}/Calls/{{sid}}.json", self._price),
                web.get(f"{account}/Calls.json", self._dialled),
            ]
        )
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()

    def _shown(self, number: str) -> dict[str, Any]:
        return {"sid": f"PN{1:032x}", "phone_number": number, **self._number}

    async def _numbers(self, request: web.Request) -> web.Response:
        number = request.query.get("PhoneNumber", "")
        return web.json_response(PAGE | {"incoming_phone_numbers": [self._shown(number)]})

    async def _set_up(self, request: web.Request) -> web.Response:
        form = await request.post()
        self._number = {"voice_url": str(form.get("VoiceUrl", ""))}
        return web.json_response(self._shown(""))

    async def _end(self, request: web.Request) -> web.Response:
        sid = request.match_info["sid"]
        self._on_ended(sid)
        return web.json_response({"sid": sid, "status": "completed"})

    async def _price(self, request: web.Request) -> web.Response:
        sid = request.match_info["sid"]
        return web.json_response({"sid": sid, "status": "completed", "price": "-0.0085", "price_unit": "USD"})

    async def _dialled(self, _request: web.Request) -> web.Response:
        """By other calls: none."""
        return web.json_response(PAGE | {"calls": []})
