"""Whom the network can call, and with which caller ID: what carriers and Twilio's permissions allow."""

from __future__ import annotations

import phonenumbers
from phonenumbers import PhoneNumberType

from simulator.network.account import PracticeAccount

GEO_PERMITTED = frozenset(
    {"US", "CA", "MX", "GB", "IE", "DE", "FR", "ES", "IT", "NL", "SE", "CH", "AT", "AU", "NZ"}
)
"""Countries that the practice account may call, as under Voice > Settings > Geo permissions."""
_UNREACHABLE = {
    "+15005550001": "13223 the number is not valid",
    "+15005550002": "13224 the number cannot be reached",
    "+15005550003": "13227 the account has no permission to call there",
    "+15005550004": "13225 the number is on the block list",
}
"""Twilio's magic numbers, as `<Dial>` meets them: https://www.twilio.com/docs/iam/test-credentials"""
_BLOCKED_KINDS = (PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST)


def why_not_callable(to: str) -> str | None:
    """Twilio's error code and a few words; None: it can be called. Numbers of no known plan can."""
    if to in _UNREACHABLE:
        return _UNREACHABLE[to]
    if not to.startswith("+"):
        return None
    try:
        number = phonenumbers.parse(to)
    except phonenumbers.NumberParseException:
        return "13223 it is no phone number"
    if phonenumbers.number_type(number) in _BLOCKED_KINDS:
        return "13225 calls to premium numbers are blocked"
    country = phonenumbers.region_code_for_number(number)
    if country not in (None, "001", *GEO_PERMITTED) or country == "001":
        return f"13227 the account has no permission to call {country}"
    return None


def why_no_caller_id(caller_id: str, *, from_: str, to: str, account: PracticeAccount) -> str | None:
    """Of a `<Dial>` in a call between these two; `''` is the caller's own number.

    https://www.twilio.com/docs/voice/twiml/dial#callerid
    """
    if caller_id in ("", from_, to) or account.owned(caller_id) is not None:
        return None
    return f"13214 {caller_id} is neither this account's nor one of the two on this call"
