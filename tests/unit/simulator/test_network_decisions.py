"""Twilio's decisions without a socket: signatures, retries, TwiML, statuses, messages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from simulator.network import twiml
from simulator.network.call_record import CallRecord
from simulator.network.media_messages import Misunderstood, read
from simulator.network.overrides import Overrides, split
from simulator.network.signature import sign
from simulator.timing import BadTiming, Timing

DOCUMENTED = [
    ("CallSid", "CA1234567890ABCDE"),
    ("Caller", "+14158675310"),
    ("Digits", "1234"),
    ("From", "+14158675310"),
    ("To", "+18005551212"),
]
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("url", "parameters", "signature"),
    [
        ("https://example.com/myapp.php?foo=1&bar=2", DOCUMENTED, "L/OH5YylLD5NRKLltdqwSvS0BnU="),
        ("https://bridge.example.com/voice", [("B", "x y"), ("A", "")], "KsEydGozhsWWAu2ZgfYTswznfiY="),
        (
            "https://bridge.example.com/voice",
            [("X", "b"), ("X", "a"), ("X", "a")],
            "jiUx5lN/di43yIvoolnjDYoQmgA=",
        ),
        ("https://bridge.example.com/voice?agent=a%20b", [], "WmEnXWiHQyyBjt39Emmh6TrBCN4="),
        ("wss://bridge.example.com/media", [], "ASGyPT9kdDVOm79OxfQnw7HcSP8="),
        ("wss://bridge.example.com/media/", [], "s8PR4IzGlCW8C4hFit29c/IbuH8="),
        (
            "https://u:p@bridge.example.com:443/voice#rc=2",
            [("B", "x y"), ("A", "")],
            "KsEydGozhsWWAu2ZgfYTswznfiY=",
        ),
    ],
)
def test_signatures_are_twilios(url: str, parameters: list[tuple[str, str]], signature: str) -> None:
    assert sign("12345", url, parameters) == signature


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_every_signature_convinces_the_twilio_package(parameters: dict[str, str]) -> None:
    url = "http://127.0.0.1:8000/twilio/voice"
    assert RequestValidator("12345").validate(url, parameters, sign("12345", url, parameters.items()))


def test_a_fragment_says_how_often_and_how_long_and_is_not_sent() -> None:
    url, overrides = split("https://b.example/voice?x=1#rc=2&rp=5xx,ct&ct=1500&rt=4500&tt=9000&e=ashburn")
    assert url == "https://b.example/voice?x=1"
    assert overrides == Overrides(1500, 4500, 9000, 2, frozenset({"5xx", "ct"}))
    assert overrides.retries_after("5xx")
    assert not overrides.retries_after("rt")


def test_without_a_fragment_only_a_failed_connection_is_retried_once() -> None:
    _, overrides = split("https://b.example/voice#rc=99&ct=1")
    assert overrides == Overrides()
    assert [overrides.retries_after(failure) for failure in ("ct", "rt", "4xx", "5xx")] == [
        True,
        False,
        False,
        False,
    ]


def test_twiml_is_read_into_verbs_with_absolute_addresses() -> None:
    document = twiml.read(
        '<Response><Connect action="/after"><Stream url="/media" name="s">'
        '<Parameter name="token" value="t"/></Stream></Connect><Say>Hold &amp; wait</Say><Pause length="3"/>'
        "<Redirect>next</Redirect><Hangup/></Response>",
        "https://b.example/twilio/voice#rc=2",
    )
    assert document.verbs == (
        twiml.Connect(twiml.Stream("wss://b.example/media", "s", {"token": "t"}), "https://b.example/after"),
        twiml.Say("Hold & wait"),
        twiml.Pause(3),
        twiml.Redirect("https://b.example/twilio/next"),
        twiml.Hangup(),
    )
    assert document.warnings == ()


def test_an_unknown_attribute_is_only_a_warning() -> None:
    document = twiml.read('<Response><Say mood="glad">Hi</Say></Response>', "")
    assert document.verbs == (twiml.Say("Hi"),)
    assert document.warnings == ("12200 <Say> has no attribute 'mood'",)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("hello", 12100),
        ("<Answer/>", 12102),
        ("<Response><Dance/></Response>", 12200),
        ("<Response><Say> </Say></Response>", 13520),
        ("<Response><Connect/></Response>", 12200),
        ('<Response><Connect><Stream url="wss://h/a" track="both_tracks"/></Connect></Response>', 31941),
        ("<Response><Dial>next door</Dial></Response>", 13223),
        ("<Response>" + " " * 70_000 + "</Response>", 11750),
    ],
)
def test_a_document_that_cannot_be_carried_out_has_twilios_code(text: str, code: int) -> None:
    with pytest.raises(twiml.TwimlError) as caught:
        twiml.read(text, "https://b.example/")
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("wss://b.example/media", None),
        ("ws://127.0.0.1:8000/media", None),
        ("ws://localhost/media", None),
        ("ws://b.example/media", 31922),
        ("https://b.example/media", 31922),
        ("wss://b.example/media?token=1", 31923),
        ("wss://", 31923),
    ],
)
def test_a_stream_needs_wss_and_no_query(url: str, code: int | None) -> None:
    refusal = twiml.stream_refusal(url)
    assert (refusal[0] if refusal else None) == code


def record() -> CallRecord:
    return CallRecord("CA1", "AC1", "+12125550100", "+12125550123", "outbound-api", NOON)


def test_a_status_never_goes_back() -> None:
    call = record()
    assert call.move("ringing", NOON)
    assert not call.move("initiated", NOON)
    assert call.move("in-progress", NOON)
    assert call.move("completed", NOON + timedelta(seconds=61))
    assert not call.move("busy", NOON)
    assert call.status == "completed"


def test_the_last_callback_tells_how_long_it_took() -> None:
    call = record()
    call.move("in-progress", NOON)
    first = dict(call.status_parameters(NOON))
    call.move("completed", NOON + timedelta(seconds=61))
    last = dict(call.status_parameters(NOON))
    assert (first["SequenceNumber"], last["SequenceNumber"]) == ("0", "1")
    assert "CallDuration" not in first
    assert (last["CallDuration"], last["Duration"], last["CallStatus"]) == ("61", "2", "completed")
    assert first["FromCity"] == ""
    assert first["ToCountry"] == "US"


def test_an_answered_call_has_a_price_once_it_is_rated() -> None:
    call = record()
    call.move("in-progress", NOON)
    assert call.price(NOON) is None
    over = NOON + timedelta(seconds=61)
    call.move("completed", over)
    assert call.price(over - timedelta(seconds=1)) is None
    assert call.price(over) == "-0.02800", "two begun minutes"
    unanswered = record()
    unanswered.move("busy", NOON)
    assert unanswered.price(over) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"event":"media"}',
        '{"event":"media","streamSid":"MZ1","media":{"payload":"%%%"}}',
        '{"event":"media","streamSid":"MZ1","media":{"payload":"","track":"outbound"}}',
        '{"event":"mark","streamSid":"MZ1","mark":{}}',
        '{"event":"clear","streamSid":"MZ2"}',
        '{"event":"clear","streamSid":"MZ1","now":true}',
        '{"event":"stop","streamSid":"MZ1"}',
    ],
)
def test_anything_but_the_three_messages_is_misunderstood(text: str) -> None:
    with pytest.raises(Misunderstood):
        read(text, "MZ1")


def test_timing_names_what_it_does_not_know() -> None:
    assert Timing().changed({"one_way_ms": 150}).one_way_ms == 150
    for values in ({"one_way": 1}, {"one_way_ms": -1}, {"one_way_ms": "1"}, {"calls_per_second": 0}):
        with pytest.raises(BadTiming):
            Timing().changed(dict[str, object](values))
