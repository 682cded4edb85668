"""Money is computed exactly, and what has no price is unknown rather than free."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.call.cost import TOKEN_KINDS, cost_of

PRICES = {
    kind: Decimal(price)
    for kind, price in {
        "input_text": "4.00",
        "input_cached_text": "0.40",
        "input_audio": "32.00",
        "input_cached_audio": "0.40",
        "output_text": "24.00",
        "output_audio": "64.00",
    }.items()
}
BY_THE_MINUTE = PRICES | {"transcription_minutes": Decimal("0.017")}


def test_cached_tokens_are_paid_once_and_at_their_own_price() -> None:
    """OpenAI counts the cached ones inside `input_*`: adding them again would double the largest part."""
    usage = {
        "input_text": 119,
        "input_audio": 13,
        "input_cached_text": 64,
        "output_text": 30,
        "output_audio": 91,
    }
    dollars = (119 - 64) * 4 + 64 * Decimal("0.4") + 13 * 32 + 30 * 24 + 91 * 64
    assert cost_of(usage, PRICES) == dollars / 1_000_000


def test_a_minute_of_the_caller_and_a_minute_of_the_agent() -> None:
    assert cost_of({"input_audio": 600}, PRICES) == Decimal("0.0192")
    assert cost_of({"output_audio": 1200}, PRICES) == Decimal("0.0768")


@pytest.mark.parametrize("usage", [{"transcription_ms": 90_000}, {"transcription_input_audio": 900}])
def test_transcription_by_the_minute_whether_it_reports_time_or_tokens(usage: dict[str, int]) -> None:
    assert cost_of(usage, BY_THE_MINUTE) == Decimal("0.0255")


def test_transcription_by_the_token() -> None:
    usage = {"transcription_input_audio": 1000, "transcription_output_text": 100}
    prices = {"transcription_input_audio": Decimal(6), "transcription_output_text": Decimal(10)}
    assert cost_of(usage, prices) == Decimal("0.007")


@pytest.mark.parametrize("kind", [*TOKEN_KINDS, "transcription_ms"])
def test_what_has_no_price_makes_the_cost_unknown(kind: str) -> None:
    assert cost_of({kind: 1}, {}) is None
    assert cost_of({kind: 0}, {}) == 0


@given(st.dictionaries(st.sampled_from(TOKEN_KINDS), st.integers(0, 10**9)))
def test_no_count_makes_a_call_cheaper_than_nothing(usage: dict[str, int]) -> None:
    """More cached tokens than tokens is a vendor's mistake, and no refund."""
    cost = cost_of(usage, PRICES)
    assert cost is not None
    assert cost >= 0
