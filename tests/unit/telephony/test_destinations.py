from __future__ import annotations

import pytest

from telephony.destinations import countries_of, why_refused

US, GB = "+14155550100", "+442079460000"


@pytest.mark.parametrize(
    ("to", "own"),
    [
        ("+14155550199", [US]),
        ("+18005551234", [US]),
        ("+442079460001", [US, GB]),
        ("+447400123456", [GB]),
    ],
)
def test_ordinary_numbers_in_ones_own_countries_are_dialled(to: str, own: list[str]) -> None:
    assert why_refused(to, own_numbers=own) is None


@pytest.mark.parametrize(
    ("to", "reason"),
    [
        ("+19005551234", "premium-rate"),
        ("+8816123456", "satellite"),
        ("+870773111632", "satellite"),
        ("+882161234567", "network"),
        ("+447011234567", "personal number"),
        ("911", "Emergency"),
        ("+1911", "Emergency"),
        ("112", "Emergency"),
        ("411", "Short"),
        ("+15550001111", "No such number"),
        ("4155550199", "country code"),
        ("+1 415 555 0199", "E.164"),
        ("+١٤١٥٥٥٥٠١٩٩", "E.164"),
        ("someone", "country code"),
        ("", "country code"),
        ("sip:ann@example.com", "country code"),
        (US, "your own"),
    ],
)
def test_what_is_never_dialled_is_refused_in_words(to: str, reason: str) -> None:
    why = why_refused(to, own_numbers=[US, GB])
    assert why is not None
    assert reason in why


@pytest.mark.parametrize("to", ["+4915112345678", "+18765551234", "+263714567890"])
def test_other_countries_are_refused_even_within_the_same_calling_code(to: str) -> None:
    """Jamaica shares +1 with the United States, and costs many times as much."""
    why = why_refused(to, own_numbers=[US])
    assert why is not None
    assert "(US)" in why


def test_without_a_number_of_ones_own_nothing_may_be_called() -> None:
    assert why_refused("+14155550199", own_numbers=[]) is not None


def test_countries_are_those_of_the_numbers_that_have_one() -> None:
    assert countries_of([US, GB, "+8816123456", "nonsense"]) == {"US", "GB"}
