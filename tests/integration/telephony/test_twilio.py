from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from decimal import Decimal

import pytest

from telephony.call_price import CallPrice
from telephony.twilio import TwilioAccount, TwilioRefused, TwilioUnreachable, Webhooks
from tests.fake_twilio import ACCOUNT, TOKEN, FakeTwilio
from tests.rings import rings


@pytest.fixture
async def network() -> AsyncGenerator[FakeTwilio]:
    fake = FakeTwilio()
    await fake.start()
    yield fake
    await fake.stop()


@pytest.fixture
async def account(network: FakeTwilio) -> AsyncGenerator[TwilioAccount]:
    account = TwilioAccount(ACCOUNT, [TOKEN], network.url)
    yield account
    await account.close()


async def dial(account: TwilioAccount) -> str:
    return await account.place_call(
        to="+14155550199",
        from_="+14155550100",
        url="https://b.example/twilio/outbound/c1#rc=2",
        status_callback="https://b.example/twilio/status/c1#rc=2",
        fallback_url="https://b.example/twilio/outbound/c1#rc=2",
        time_limit_seconds=90,
    )


async def test_placing_a_call_asks_for_every_status_and_returns_the_call_sid(
    network: FakeTwilio, account: TwilioAccount
) -> None:
    call_sid = await dial(account)
    assert call_sid.startswith("CA")
    assert network.dialled == [
        {
            "To": ["+14155550199"],
            "From": ["+14155550100"],
            "Url": ["https://b.example/twilio/outbound/c1#rc=2"],
            "FallbackUrl": ["https://b.example/twilio/outbound/c1#rc=2"],
            "StatusCallback": ["https://b.example/twilio/status/c1#rc=2"],
            "StatusCallbackEvent": ["initiated", "ringing", "answered", "completed"],
            "Timeout": ["60"],
            "TimeLimit": ["90"],
        }
    ]


async def test_a_refusal_carries_twilios_code_and_says_what_to_do(
    network: FakeTwilio, account: TwilioAccount
) -> None:
    network.refuse_with = (400, 21215, "Account not authorized to call +1...")
    with pytest.raises(TwilioRefused) as refused:
        await dial(account)
    assert (refused.value.code, refused.value.status) == (21215, 400)
    assert "Geo permissions" in refused.value.message


@pytest.mark.parametrize(
    ("price", "leg", "amount"),
    [
        (None, None, None),
        ("-0.02800", None, "0.028"),
        ("-0.02800", ("completed", None), None),
        ("-0.02800", ("completed", "-0.01400"), "0.042"),
        ("-0.02800", ("no-answer", None), "0.028"),
    ],
)
async def test_a_price_is_that_of_the_call_and_of_those_it_dialled(
    network: FakeTwilio,
    account: TwilioAccount,
    price: str | None,
    leg: tuple[str, str | None] | None,
    amount: str | None,
) -> None:
    """A transfer is a call of its own to Twilio; while one of them is not rated, the sum is not known."""
    network.calls["CA1"] = {"sid": "CA1", "status": "completed", "price": price, "price_unit": "USD"}
    if leg is not None:
        status, leg_price = leg
        network.calls["CA2"] = {"sid": "CA2", "parent_call_sid": "CA1", "status": status, "price": leg_price}
    expected = None if amount is None else CallPrice(Decimal(amount), "USD")
    assert await account.call_price("CA1") == expected


@pytest.mark.parametrize("price", ["a lot", "NaN-ish"])
async def test_a_price_that_is_no_number_is_no_answer(
    network: FakeTwilio, account: TwilioAccount, price: str
) -> None:
    network.calls["CA1"] = {"sid": "CA1", "status": "completed", "price": price}
    with pytest.raises(TwilioUnreachable):
        await account.call_price("CA1")


async def test_how_a_call_is_is_told_in_twilios_words_or_that_there_is_none(
    network: FakeTwilio, account: TwilioAccount
) -> None:
    network.calls["CA1"] = {"sid": "CA1", "status": "in-progress"}
    assert await account.call_status("CA1") == "in-progress"
    assert await account.call_status("CA2") is None


async def test_an_unknown_refusal_repeats_twilios_own_words(
    network: FakeTwilio, account: TwilioAccount
) -> None:
    network.refuse_with = (400, 29999, "Mercury is in retrograde")
    with pytest.raises(TwilioRefused, match="Mercury is in retrograde"):
        await dial(account)


async def test_too_many_requests_is_a_refusal_because_twilio_did_nothing(
    network: FakeTwilio, account: TwilioAccount
) -> None:
    network.refuse_with = (429, 20429, "Too Many Requests")
    with pytest.raises(TwilioRefused) as refused:
        await dial(account)
    assert refused.value.code == 20429


async def test_a_server_error_leaves_open_what_twilio_did(
    network: FakeTwilio, account: TwilioAccount
) -> None:
    network.refuse_with = (500, 20500, "Internal Server Error")
    with pytest.raises(TwilioUnreachable):
        await dial(account)


async def test_no_answer_ends_within_the_limit(network: FakeTwilio) -> None:
    """The package's own asynchronous client would wait for ever."""
    network.answers.clear()
    account = TwilioAccount(ACCOUNT, [TOKEN], network.url, request_seconds=0.05)
    async with asyncio.timeout(5):
        with pytest.raises(TwilioUnreachable, match="TimeoutError"):
            await dial(account)
    await account.close()


async def test_a_lost_connection_is_unreachable_not_refused(
    network: FakeTwilio, account: TwilioAccount
) -> None:
    network.drops_connections = True
    with pytest.raises(TwilioUnreachable):
        await dial(account)
    assert len(network.dialled) == 1


async def test_nobody_listening_is_unreachable() -> None:
    account = TwilioAccount(ACCOUNT, [TOKEN], "http://127.0.0.1:9")
    with pytest.raises(TwilioUnreachable):
        await account.check()
    await account.close()


async def test_the_second_auth_token_is_used_once_the_first_is_no_longer_accepted(
    network: FakeTwilio,
) -> None:
    network.accepted_tokens = {"new"}
    account = TwilioAccount(ACCOUNT, ["old", "new"], network.url)
    assert await account.check() == "Practice (active)"
    network.accepted_tokens = {"neither"}
    with pytest.raises(TwilioRefused, match="TWILIO_AUTH_TOKEN"):
        await account.check()
    await account.close()


@pytest.mark.parametrize(("status", "code"), [(400, 21220), (404, 20404)])
async def test_ending_a_call_that_is_over_is_fine(
    network: FakeTwilio, account: TwilioAccount, status: int, code: int
) -> None:
    network.refuse_with = (status, code, "Call is not in-progress")
    await account.end_call("CA1")


async def test_ending_and_redirecting_update_the_call(network: FakeTwilio, account: TwilioAccount) -> None:
    await account.end_call("CA1")
    await account.redirect_call("CA2", "<Response/>")
    assert network.updated == [("CA1", {"Status": ["completed"]}), ("CA2", {"Twiml": ["<Response/>"]})]


async def test_a_number_is_found_by_its_whole_number_only(
    network: FakeTwilio, account: TwilioAccount
) -> None:
    """Twilio's filter matches parts of numbers."""
    network.own("+141555501001")
    assert await account.find_number("+14155550100") is None
    sid = network.own("+14155550100", voice_url="https://elsewhere.example/voice")
    found = await account.find_number("+14155550100")
    assert found is not None
    assert (found.sid, found.webhooks.voice_url) == (sid, "https://elsewhere.example/voice")


async def test_setting_webhooks_clears_what_would_win_over_them(
    network: FakeTwilio, account: TwilioAccount
) -> None:
    sid = network.own("+14155550100", trunk_sid="TK1", voice_application_sid="AP1")
    await account.set_webhooks(sid, Webhooks(voice_url="https://b.example/twilio/voice"))
    number = network.numbers[sid]
    assert number["voice_url"] == "https://b.example/twilio/voice"
    assert (number["trunk_sid"], number["voice_application_sid"]) == ("", "")


async def test_available_numbers_are_searched_and_bought(network: FakeTwilio, account: TwilioAccount) -> None:
    found = await account.available_numbers("US", area_code="415", contains="55*", limit=5)
    assert [(one.number, one.locality, one.region) for one in found] == [
        ("+14155550123", "San Francisco", "CA")
    ]
    assert network.searched[0]["AreaCode"] == "415"
    assert network.searched[0]["Contains"] == "55*"
    bought = await account.buy_number("+14155550123")
    assert bought.number == "+14155550123"
    assert [one.sid for one in await account.list_numbers()] == [bought.sid]


@pytest.mark.parametrize(
    ("base_url", "real"),
    [
        ("https://api.twilio.com", True),
        ("https://api.dublin.ie1.twilio.com", True),
        ("http://127.0.0.1:9000", False),
        ("https://nottwilio.com", False),
    ],
)
def test_only_twilios_own_hosts_are_the_real_thing(base_url: str, real: bool) -> None:
    assert TwilioAccount(ACCOUNT, [TOKEN], base_url).is_real is real


async def test_a_request_leaves_no_rings_for_the_garbage_collector(account: TwilioAccount) -> None:
    await dial(account)
    with rings(of=("twilio",)) as left:
        await dial(account)
    assert not left
