"""Twilio tells its price some time after a call; it is learnt once, whichever process asks."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from bridge.call.ending import EndReason
from bridge.runtime.twilio_prices import TwilioPrices
from database import calls, journal, twilio_prices
from database.journal import TotalsEntry
from database.models import Call
from database.session import Database
from database.shown import Cost, shown_call
from telephony.call_price import CallPrice
from telephony.twilio import TwilioAccount, TwilioRefused, TwilioUnreachable
from tests.conftest import run_sql
from tests.integration.bridge.conftest import CALLER, NUMBER


class Rating(TwilioAccount):
    """A Twilio that rates calls when it is told to. `asked`: for which calls, in order."""

    def __init__(self) -> None:
        super().__init__("AC" + "0" * 32, ["token"], "http://127.0.0.1:9")
        self.answer: CallPrice | Exception | None = None
        self.asked: list[str] = []

    async def call_price(self, call_sid: str) -> CallPrice | None:
        self.asked.append(call_sid)
        await asyncio.sleep(0)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def twilio() -> Rating:
    return Rating()


@pytest.fixture
def prices(database: Database, twilio: Rating) -> TwilioPrices:
    return TwilioPrices(database, twilio)


async def finished(
    database: Database, agent_id: str, call_sid: str | None = "CA1", *, answered: bool = True
) -> Call:
    async with database.session.begin() as session:
        call = await calls.create_outbound(
            session,
            agent_id=agent_id,
            agent_version=1,
            phone_number_id=None,
            from_=NUMBER,
            to=CALLER,
            variables={},
            metadata={},
        )
    if call_sid is not None:
        await calls.mark_dialled(database, call.id, call_sid)
    if answered:
        await calls.answer(database, call.id, holder=calls.Holder("process_0", "0"))
        await journal.write(database, [TotalsEntry(call.id, {"output_audio": 1000}, {}, Decimal("0.064"))])
    status, reason = ("completed", EndReason.AGENT_HUNG_UP) if answered else ("busy", EndReason.NOT_ANSWERED)
    assert await calls.finish(database, call.id, status=status, reason=reason)
    return call


async def cost(database: Database, call: Call) -> Cost | None:
    row = await calls.by_id(database, call.id)
    assert row is not None
    return shown_call(row).cost


async def time_passes(database: Database) -> None:
    """What is due at any time is due now."""
    await run_sql(database.url, "update calls set price_due_at = now() where price_due_at is not null")


async def test_the_price_is_asked_for_until_it_is_there(
    database: Database, agent_id: str, twilio: Rating, prices: TwilioPrices
) -> None:
    call = await finished(database, agent_id)
    await prices.round()
    assert twilio.asked == [], "Twilio rates calls a while after they end"
    for answer in (None, TwilioUnreachable("away"), TwilioRefused(20429, "too many", 429)):
        twilio.answer = answer
        await time_passes(database)
        await prices.round()
        found = await cost(database, call)
        assert found == Cost(
            currency="USD", model="0.064000", telephony=None, telephony_currency=None, total=None
        )
    twilio.answer = CallPrice(Decimal("0.0085"), "USD")
    await time_passes(database)
    await prices.round()
    assert await cost(database, call) == Cost(
        currency="USD", model="0.064000", telephony="0.008500", telephony_currency="USD", total="0.072500"
    )
    await time_passes(database)
    await prices.round()
    assert len(twilio.asked) == 4, "what is known is not asked for again"


async def test_a_price_that_never_comes_is_given_up(
    database: Database, agent_id: str, twilio: Rating, prices: TwilioPrices
) -> None:
    call = await finished(database, agent_id)
    for _ in range(2 * len(twilio_prices.ASKED_AFTER_SECONDS)):
        await time_passes(database)
        await prices.round()
    assert len(twilio.asked) == len(twilio_prices.ASKED_AFTER_SECONDS)
    found = await cost(database, call)
    assert found is not None
    assert (found.telephony, found.total) == (None, None)


async def test_a_call_that_twilio_does_not_know_is_asked_for_once(
    database: Database, agent_id: str, twilio: Rating, prices: TwilioPrices
) -> None:
    """A practice account forgets its calls when it is restarted."""
    await finished(database, agent_id)
    twilio.answer = TwilioRefused(20404, "not found", 404)
    for _ in range(3):
        await time_passes(database)
        await prices.round()
    assert twilio.asked == ["CA1"]


@pytest.mark.parametrize("call_sid", [None, "CA1"])
async def test_a_call_that_nobody_answered_costs_what_twilio_says_or_nothing(
    database: Database, agent_id: str, twilio: Rating, prices: TwilioPrices, call_sid: str | None
) -> None:
    call = await finished(database, agent_id, call_sid, answered=False)
    twilio.answer = CallPrice(Decimal(0), "USD")
    await time_passes(database)
    await prices.round()
    found = await cost(database, call)
    assert found is not None
    assert (found.model, found.telephony, found.total) == ("0.000000", "0.000000", "0.000000")
    assert twilio.asked == ([] if call_sid is None else ["CA1"])


async def test_another_currency_is_told_and_not_added(
    database: Database, agent_id: str, twilio: Rating, prices: TwilioPrices
) -> None:
    call = await finished(database, agent_id)
    twilio.answer = CallPrice(Decimal("0.9"), "JPY")
    await time_passes(database)
    await prices.round()
    found = await cost(database, call)
    assert found is not None
    assert (found.telephony, found.telephony_currency, found.total) == ("0.900000", "JPY", None)


async def test_processes_share_the_asking(database: Database, agent_id: str, twilio: Rating) -> None:
    twilio.answer = CallPrice(Decimal("0.01"), "USD")
    for number in range(25):
        await finished(database, agent_id, f"CA{number}")
    await time_passes(database)
    others: list[Any] = [TwilioPrices(database, twilio) for _ in range(3)]
    await asyncio.gather(*(other.round() for other in others))
    assert sorted(twilio.asked) == sorted(f"CA{number}" for number in range(25))


async def test_totals_that_are_written_late_leave_the_price(
    database: Database, agent_id: str, twilio: Rating, prices: TwilioPrices
) -> None:
    """The journal may have waited for Postgres meanwhile."""
    call = await finished(database, agent_id)
    twilio.answer = CallPrice(Decimal("0.01"), "USD")
    await time_passes(database)
    await prices.round()
    await journal.write(database, [TotalsEntry(call.id, {"output_audio": 2000}, {}, Decimal("0.128"))])
    found = await cost(database, call)
    assert found is not None
    assert (found.model, found.telephony, found.total) == ("0.128000", "0.010000", "0.138000")
