"""The practice account: the numbers it owns and those it can buy.

Kept in a file, so that webhooks survive a restart. All numbers are of ranges that the numbering plans set
aside for fiction (North America's 555-01xx, Ofcom's and ACMA's drama numbers), and valid by the plan's form.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FIRST_NUMBERS = ("+12125550100", "+14155550101", "+442079460102")
_AREAS = {"US": ("212", "415", "206", "312", "617", "305", "512", "303"), "CA": ("416", "604", "514")}
_PLACES = {
    "212": ("New York", "NY"), "415": ("San Francisco", "CA"), "206": ("Seattle", "WA"),
    "312": ("Chicago", "IL"), "617": ("Boston", "MA"), "305": ("Miami", "FL"),
    "512": ("Austin", "TX"), "303": ("Denver", "CO"),
    "416": ("Toronto", "ON"), "604": ("Vancouver", "BC"), "514": ("Montreal", "QC"),
}  # fmt: skip


@dataclass
class OwnedNumber:
    sid: str
    phone_number: str
    friendly_name: str
    date_created: str
    voice_url: str = ""
    voice_method: str = "POST"
    voice_fallback_url: str = ""
    voice_fallback_method: str = "POST"
    status_callback: str = ""
    status_callback_method: str = "POST"
    voice_application_sid: str = ""
    trunk_sid: str = ""

    @property
    def answering_url(self) -> str:
        """An application or a trunk takes the place of the voice URL, and nobody answers for those here."""
        return "" if self.voice_application_sid or self.trunk_sid else self.voice_url

    def as_json(self, account_sid: str) -> dict[str, Any]:
        return asdict(self) | {
            "account_sid": account_sid,
            "capabilities": {"voice": True, "sms": False, "mms": False, "fax": False},
            "origin": "twilio",
            "beta": False,
            "uri": f"/2010-04-01/Accounts/{account_sid}/IncomingPhoneNumbers/{self.sid}.json",
        }


@dataclass(frozen=True)
class NumberForSale:
    phone_number: str
    country: str
    locality: str
    region: str


class PracticeAccount:
    def __init__(self, sid: str, auth_token: str, file: Path | None = None) -> None:
        """`file`: where the owned numbers are kept; None keeps them in memory only."""
        self.sid = sid
        self.auth_token = auth_token
        self._file = file
        self.numbers: dict[str, OwnedNumber] = {}
        if file is not None and file.exists():
            kept = json.loads(file.read_text())
            self.numbers = {number["sid"]: OwnedNumber(**number) for number in kept["numbers"]}
            return
        for index, number in enumerate(FIRST_NUMBERS):
            sid = f"PN{index + 1:032x}"
            self.numbers[sid] = OwnedNumber(sid, number, "Practice number", "Sun, 01 Nov 2026 00:00:00 +0000")
        self.save()

    def owned(self, phone_number: str) -> OwnedNumber | None:
        return next((number for number in self.numbers.values() if number.phone_number == phone_number), None)

    def add(self, number: OwnedNumber) -> None:
        self.numbers[number.sid] = number
        self.save()

    def release(self, sid: str) -> None:
        del self.numbers[sid]
        self.save()

    def save(self) -> None:
        if self._file is None:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        new = self._file.with_suffix(".new")
        new.write_text(
            json.dumps({"numbers": [asdict(number) for number in self.numbers.values()]}, indent=1)
        )
        new.replace(self._file)

    def for_sale(self, country: str, kind: str) -> Iterator[NumberForSale]:
        """Every number that can be bought, in a fixed order. `kind` is Local, TollFree or Mobile."""
        for number in _shelf(country, kind):
            if self.owned(number.phone_number) is None:
                yield number


def _shelf(country: str, kind: str) -> Iterator[NumberForSale]:
    if kind == "TollFree" and country in ("US", "CA"):
        yield from (NumberForSale(f"+18005550{last}", country, "", "") for last in range(100, 200))
    if kind != "Local":
        return
    for area in _AREAS.get(country, ()):
        locality, region = _PLACES[area]
        yield from (
            NumberForSale(f"+1{area}5550{last}", country, locality, region) for last in range(110, 150)
        )
    if country == "GB":
        yield from (NumberForSale(f"+4420794600{last}", "GB", "London", "England") for last in range(10, 100))
    if country == "AU":
        yield from (NumberForSale(f"+6125550{last}", "AU", "Sydney", "NSW") for last in range(1000, 1100))
