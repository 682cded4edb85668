"""REST for phone numbers: find, set up, search, buy, release. Plain decisions; `rest.py` has the HTTP.

https://www.twilio.com/docs/phone-numbers/api/incomingphonenumber-resource
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from simulator.network.account import NumberForSale, OwnedNumber, PracticeAccount
from simulator.network.call_record import rfc2822
from simulator.network.errors import Refused
from simulator.network.rest_calls import Form, one

_SETTABLE = {
    "FriendlyName": "friendly_name",
    "VoiceUrl": "voice_url",
    "VoiceMethod": "voice_method",
    "VoiceFallbackUrl": "voice_fallback_url",
    "VoiceFallbackMethod": "voice_fallback_method",
    "StatusCallback": "status_callback",
    "StatusCallbackMethod": "status_callback_method",
    "VoiceApplicationSid": "voice_application_sid",
    "TrunkSid": "trunk_sid",
}
_URLS = ("VoiceUrl", "VoiceFallbackUrl", "StatusCallback")
COUNTRIES = ("US", "CA", "GB", "AU")


def set_up(number: OwnedNumber, form: Form) -> None:
    """Changes what the form names. Raises Refused before anything is changed."""
    for name in _URLS:
        url = one(form, name)
        if url and urlsplit(url).scheme not in ("http", "https"):
            raise Refused(21402 if name == "VoiceUrl" else 21502, f"{name} is not a valid URL: {url}")
    for name, attribute in _SETTABLE.items():
        if name in form:
            setattr(number, attribute, one(form, name))


def buy(form: Form, account: PracticeAccount, at: datetime) -> OwnedNumber:
    """Raises Refused: 21421 not a number, 21422 not for sale, 21452 none in the area."""
    wanted, area = one(form, "PhoneNumber"), one(form, "AreaCode")
    phone_number = _in_area(account, area) if area and not wanted else _wanted(account, wanted)
    number = OwnedNumber(f"PN{secrets.token_hex(16)}", phone_number, phone_number, rfc2822(at))
    set_up(number, form)
    account.add(number)
    return number


def _wanted(account: PracticeAccount, wanted: str) -> str:
    if not re.fullmatch(r"\+[1-9]\d{6,14}", wanted) or wanted == "+15005550001":
        raise Refused(21421, f"{wanted or 'An empty PhoneNumber'} is not a valid phone number.")
    if wanted == "+15005550006":
        return wanted
    shelves = (
        number
        for country in COUNTRIES
        for kind in ("Local", "TollFree")
        for number in account.for_sale(country, kind)
    )
    if wanted not in {number.phone_number for number in shelves}:
        raise Refused(21422, f"{wanted} is not available.")
    return wanted


def _in_area(account: PracticeAccount, area: str) -> str:
    for country in ("US", "CA"):
        for number in account.for_sale(country, "Local"):
            if number.phone_number.startswith(f"+1{area}"):
                return number.phone_number
    raise Refused(21452, f"No phone numbers found in area code {area}.")


def available(account: PracticeAccount, country: str, kind: str, query: Form) -> list[dict[str, Any]]:
    """Raises Refused for a country where nothing is sold."""
    if country not in COUNTRIES:
        raise Refused(20404, f"The requested resource /AvailablePhoneNumbers/{country} was not found")
    area, contains = one(query, "AreaCode"), one(query, "Contains")
    limit = int(one(query, "PageSize", "30")) if one(query, "PageSize", "30").isdecimal() else 30
    pattern = re.compile(re.escape(contains).replace(r"\*", r"\w"))
    found = [
        number
        for number in account.for_sale(country, kind)
        if number.phone_number.startswith(f"+1{area}" if area else "+")
        and pattern.search(number.phone_number)
    ]
    return [_for_sale_json(number, kind) for number in found[:limit]]


def _for_sale_json(number: NumberForSale, kind: str) -> dict[str, Any]:
    return {
        "friendly_name": number.phone_number,
        "phone_number": number.phone_number,
        "lata": None,
        "rate_center": None,
        "latitude": None,
        "longitude": None,
        "locality": number.locality or None,
        "region": number.region or None,
        "postal_code": None,
        "iso_country": number.country,
        "address_requirements": "none",
        "beta": False,
        "capabilities": {"voice": True, "SMS": False, "MMS": False},
        "type": kind,
    }


def matching(numbers: Sequence[OwnedNumber], query: Form) -> list[OwnedNumber]:
    wanted = one(query, "PhoneNumber").replace("*", "")
    name = one(query, "FriendlyName")
    return [n for n in numbers if wanted in n.phone_number and (not name or n.friendly_name == name)]
