"""What Twilio takes for a call. https://www.twilio.com/docs/voice/api/call-resource: `price` is negative, and
comes some time after the call."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct
from twilio.rest.api.v2010.account.call import CallInstance

NOT_ANSWERED = frozenset({"busy", "no-answer", "failed", "canceled"})


class CallPrice(Struct, frozen=True):
    amount: Decimal
    """What the account pays."""
    currency: str
    """ISO 4217, that of the account."""


def price_of(call: CallInstance, dialled: Sequence[CallInstance]) -> CallPrice | None:
    """Of a call with the calls that it dialled; None while one of them is not rated."""
    amounts = [_amount(one) for one in (call, *dialled)]
    rated = [amount for amount in amounts if amount is not None]
    if len(rated) < len(amounts):
        return None
    return CallPrice(sum(rated, Decimal(0)), call.price_unit or "USD")


def _amount(call: CallInstance) -> Decimal | None:
    if call.price is not None:
        return abs(Decimal(call.price))
    # A call that nobody answered is not charged for, and may never be rated.
    return Decimal(0) if call.status in NOT_ANSWERED else None
