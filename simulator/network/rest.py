"""Twilio's REST API over HTTP: Basic auth, form bodies, lists in pages, errors as JSON, faults on request."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode

from aiohttp import web

from simulator.network import rest_calls, rest_numbers
from simulator.network.call import SimulatedCall
from simulator.network.errors import Refused, not_found
from simulator.network.network import Network
from simulator.network.rest_calls import Form, one

Answer = tuple[int, Any]
ROOT = "/2010-04-01/Accounts"


class RestApi:
    def __init__(self, network: Network) -> None:
        self._network = network
        self._account = network.equipment.account

    def routes(self) -> list[web.RouteDef]:
        account = ROOT + "/{account_sid}"
        table: list[tuple[str, str, Callable[[web.Request, Form], Answer]]] = [
            ("GET", account + ".json", self._fetch_account),
            ("GET", account + "/Balance.json", self._balance),
            ("POST", account + "/Calls.json", self._create_call),
            ("GET", account + "/Calls.json", self._list_calls),
            ("GET", account + "/Calls/{sid}.json", self._fetch_call),
            ("POST", account + "/Calls/{sid}.json", self._update_call),
            ("DELETE", account + "/Calls/{sid}.json", self._delete_call),
            ("GET", account + "/IncomingPhoneNumbers.json", self._list_numbers),
            ("POST", account + "/IncomingPhoneNumbers.json", self._buy_number),
            ("GET", account + "/IncomingPhoneNumbers/{sid}.json", self._fetch_number),
            ("POST", account + "/IncomingPhoneNumbers/{sid}.json", self._update_number),
            ("DELETE", account + "/IncomingPhoneNumbers/{sid}.json", self._release_number),
            ("GET", account + "/AvailablePhoneNumbers/{country}/{kind}.json", self._available),
        ]
        routes = [web.route(method, path, self._over_http(handle)) for method, path, handle in table]
        return [*routes, web.route("*", ROOT + "{rest:.*}", self._over_http(self._nothing_there))]

    def _over_http(
        self, handle: Callable[[web.Request, Form], Answer]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handler(request: web.Request) -> web.StreamResponse:
            await asyncio.sleep(self._network.equipment.timing.rest_ms / 1000)
            fault = self._network.equipment.faults.take(request.method, request.path)
            if fault is not None:
                await asyncio.sleep(fault.slow_ms / 1000)
                if fault.status:
                    refused = Refused(fault.code, "Failed on request", fault.status)
                    return web.json_response(refused.as_json(), status=fault.status)
            try:
                self._authenticate(request)
                text = (
                    (await request.read()).decode()
                    if request.method == "POST"
                    else request.rel_url.raw_query_string
                )
                status, body = handle(request, parse_qs(text, keep_blank_values=True))
            except Refused as refused:
                return web.json_response(refused.as_json(), status=refused.status)
            if fault is not None and fault.lose_answer and request.transport is not None:
                request.transport.abort()
            return web.Response(status=204) if body is None else web.json_response(body, status=status)

        return handler

    def _authenticate(self, request: web.Request) -> None:
        scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
        try:
            given = base64.b64decode(encoded, validate=True).decode() if scheme.lower() == "basic" else ""
        except (binascii.Error, UnicodeDecodeError):
            given = ""
        expected = f"{self._account.sid}:{self._account.auth_token}"
        if given != expected or request.match_info.get("account_sid", self._account.sid) != self._account.sid:
            raise Refused(20003, "Authenticate")

    def _fetch_account(self, request: web.Request, form: Form) -> Answer:
        return 200, {
            "sid": self._account.sid,
            "friendly_name": "Practice account",
            "status": "active",
            "type": "Full",
            "owner_account_sid": self._account.sid,
            "date_created": "Sun, 01 Nov 2026 00:00:00 +0000",
            "date_updated": "Sun, 01 Nov 2026 00:00:00 +0000",
            "uri": f"{ROOT}/{self._account.sid}.json",
            "subresource_uris": {},
        }

    def _balance(self, request: web.Request, form: Form) -> Answer:
        return 200, {"account_sid": self._account.sid, "balance": "100.00", "currency": "USD"}

    def _create_call(self, request: web.Request, form: Form) -> Answer:
        return 201, self._shown(self._network.create_call(*rest_calls.new_call(form, self._account)))

    def _list_calls(self, request: web.Request, form: Form) -> Answer:
        calls = rest_calls.matching([*self._network.calls.values()], form)
        return self._page("calls", [self._shown(call) for call in calls], request, form)

    def _fetch_call(self, request: web.Request, form: Form) -> Answer:
        return 200, self._shown(self._call(request))

    def _shown(self, call: SimulatedCall) -> dict[str, object]:
        equipment = self._network.equipment
        return call.record.as_json(
            equipment.clock() - timedelta(milliseconds=equipment.timing.rated_after_ms)
        )

    def _update_call(self, request: web.Request, form: Form) -> Answer:
        call = self._call(request)
        rest_calls.update(form, call)
        return 200, self._shown(call)

    def _delete_call(self, request: web.Request, form: Form) -> Answer:
        call = self._call(request)
        if not call.record.is_over:
            raise Refused(20409, "Cannot delete a call that is in progress.", 409)
        self._network.forget(call.sid)
        return 204, None

    def _list_numbers(self, request: web.Request, form: Form) -> Answer:
        numbers = rest_numbers.matching([*self._account.numbers.values()], form)
        shown = [number.as_json(self._account.sid) for number in numbers]
        return self._page("incoming_phone_numbers", shown, request, form)

    def _buy_number(self, request: web.Request, form: Form) -> Answer:
        number = rest_numbers.buy(form, self._account, self._network.equipment.clock())
        return 201, number.as_json(self._account.sid)

    def _fetch_number(self, request: web.Request, form: Form) -> Answer:
        return 200, self._account.numbers[self._number_sid(request)].as_json(self._account.sid)

    def _update_number(self, request: web.Request, form: Form) -> Answer:
        number = self._account.numbers[self._number_sid(request)]
        rest_numbers.set_up(number, form)
        self._account.save()
        return 200, number.as_json(self._account.sid)

    def _release_number(self, request: web.Request, form: Form) -> Answer:
        self._account.release(self._number_sid(request))
        return 204, None

    def _available(self, request: web.Request, form: Form) -> Answer:
        country, kind = request.match_info["country"], request.match_info["kind"]
        found = rest_numbers.available(self._account, country, kind, form)
        return 200, {"available_phone_numbers": found, "uri": request.path}

    def _nothing_there(self, request: web.Request, form: Form) -> Answer:
        raise not_found(request.path)

    def _call(self, request: web.Request) -> SimulatedCall:
        call = self._network.calls.get(request.match_info["sid"])
        if call is None:
            raise not_found(request.path)
        return call

    def _number_sid(self, request: web.Request) -> str:
        sid = request.match_info["sid"]
        if sid not in self._account.numbers:
            raise not_found(request.path)
        return sid

    def _page(self, name: str, items: Sequence[Any], request: web.Request, query: Form) -> Answer:
        size = max(1, min(1000, _whole(one(query, "PageSize"), 50)))
        number = _whole(one(query, "Page"), 0)
        start = number * size
        rest = {
            key: values[0] for key, values in query.items() if key not in ("Page", "PageToken", "PageSize")
        }

        def uri(page: int) -> str:
            return f"{request.path}?{urlencode({**rest, 'PageSize': size, 'Page': page})}"

        shown = items[start : start + size]
        return 200, {
            name: shown,
            "page": number,
            "page_size": size,
            "start": start,
            "end": max(start, start + len(shown) - 1),
            "uri": uri(number),
            "first_page_uri": uri(0),
            "next_page_uri": uri(number + 1) if len(items) > start + size else None,
            "previous_page_uri": uri(number - 1) if number else None,
        }


def _whole(text: str, otherwise: int) -> int:
    return int(text) if text.isdecimal() else otherwise
