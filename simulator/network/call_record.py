"""A call as Twilio keeps it: its status, which never goes back, and how it looks in REST and in webhooks.

https://www.twilio.com/docs/voice/api/call-resource
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from email.utils import format_datetime
from typing import Literal

import phonenumbers

Status = Literal[
    "queued", "initiated", "ringing", "in-progress", "completed", "busy", "no-answer", "failed", "canceled"
]
Direction = Literal["inbound", "outbound-api", "outbound-dial"]
FINAL: frozenset[str] = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})
_ORDER: tuple[Status, ...] = ("queued", "initiated", "ringing", "in-progress")

PRICE_A_MINUTE = {
    "inbound": Decimal("0.0085"),
    "outbound-api": Decimal("0.014"),
    "outbound-dial": Decimal("0.014"),
}
"""Of each minute begun, US dollars; about what it is there: https://www.twilio.com/en-us/voice/pricing/us"""
SIP_RESPONSE = {"completed": 200, "busy": 486, "no-answer": 487, "canceled": 487, "failed": 404}


@dataclass
class CallRecord:
    sid: str
    account_sid: str
    from_: str
    to: str
    direction: Direction
    created_at: datetime
    status: Status = "queued"
    started_at: datetime | None = None
    ended_at: datetime | None = None
    answered_at: datetime | None = None
    parent_call_sid: str | None = None
    phone_number_sid: str | None = None
    answered_by: str | None = None
    """By asynchronous answering machine detection."""
    _next_sequence_number: int = field(default=0, repr=False)

    @property
    def is_over(self) -> bool:
        return self.status in FINAL

    def move(self, status: Status, at: datetime) -> bool:
        """Takes the new status; False when that would be going back, which never happens."""
        if self.is_over or (status in _ORDER and _ORDER.index(status) <= _ORDER.index(self.status)):
            return False
        self.status = status
        if status in ("ringing", "in-progress"):
            self.started_at = self.started_at or at
        if status == "in-progress":
            self.answered_at = at
        if status in FINAL:
            self.ended_at = at
        return True

    @property
    def duration_seconds(self) -> int | None:
        """From the answer to the end in whole seconds; 0 when nobody answered, None while it goes on."""
        if self.ended_at is None:
            return None
        return round((self.ended_at - self.answered_at).total_seconds()) if self.answered_at else 0

    def parameters(self) -> list[tuple[str, str]]:
        """What every webhook of this call carries, blank values included."""
        named: dict[str, str] = {
            "AccountSid": self.account_sid,
            "ApiVersion": "2010-04-01",
            "CallSid": self.sid,
            "CallStatus": self.status,
            "Called": self.to,
            "Caller": self.from_,
            "Direction": self.direction,
            "From": self.from_,
            "To": self.to,
        }
        for name, number in (
            ("Called", self.to),
            ("Caller", self.from_),
            ("From", self.from_),
            ("To", self.to),
        ):
            named |= {
                f"{name}City": "",
                f"{name}State": "",
                f"{name}Zip": "",
                f"{name}Country": country_of(number),
            }
        if self.parent_call_sid:
            named["ParentCallSid"] = self.parent_call_sid
        return list(named.items())

    def status_parameters(self, at: datetime) -> list[tuple[str, str]]:
        """What one more status callback carries; counts its SequenceNumber."""
        extra = {
            "Timestamp": rfc2822(at),
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(self._next_sequence_number),
        }
        self._next_sequence_number += 1
        if self.is_over:
            seconds = self.duration_seconds or 0
            extra |= {"CallDuration": str(seconds), "Duration": str(-(-seconds // 60))}
            extra["SipResponseCode"] = str(SIP_RESPONSE[self.status])
        return [*self.parameters(), *extra.items()]

    def price(self, rated_until: datetime) -> str | None:
        """What it costs, negative as Twilio writes it. None when nobody answered, and until it is
        rated, as those calls are that ended up to `rated_until`."""
        if self.answered_at is None or self.ended_at is None or self.duration_seconds is None:
            return None
        if self.ended_at > rated_until:
            return None
        minutes = max(1, -(-self.duration_seconds // 60))
        return f"-{minutes * PRICE_A_MINUTE[self.direction]:.5f}"

    def as_json(self, rated_until: datetime) -> dict[str, object]:
        uri = f"/2010-04-01/Accounts/{self.account_sid}/Calls/{self.sid}"
        duration = self.duration_seconds
        return {
            "sid": self.sid,
            "account_sid": self.account_sid,
            "parent_call_sid": self.parent_call_sid,
            "phone_number_sid": self.phone_number_sid,
            "to": self.to,
            "to_formatted": self.to,
            "from": self.from_,
            "from_formatted": self.from_,
            "status": "queued" if self.status == "initiated" else self.status,
            "direction": self.direction,
            "api_version": "2010-04-01",
            "date_created": rfc2822(self.created_at),
            "date_updated": rfc2822(self.ended_at or self.started_at or self.created_at),
            "start_time": rfc2822(self.started_at) if self.started_at else None,
            "end_time": rfc2822(self.ended_at) if self.ended_at else None,
            "duration": None if duration is None else str(duration),
            "price": self.price(rated_until),
            "price_unit": "USD",
            "answered_by": self.answered_by,
            "annotation": None,
            "forwarded_from": None,
            "caller_name": None,
            "group_sid": None,
            "trunk_sid": None,
            "queue_time": "0",
            "uri": f"{uri}.json",
            "subresource_uris": {"recordings": f"{uri}/Recordings.json", "events": f"{uri}/Events.json"},
        }


def rfc2822(at: datetime) -> str:
    return format_datetime(at)


def country_of(number: str) -> str:
    """The ISO code of the number's country, blank when it is not a number."""
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(number)) or ""
    except phonenumbers.NumberParseException:
        return ""
