"""What the voice model costs: counts times prices, exactly. The prices are the operator's data."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, get_args

TokenKind = Literal[
    "input_text",
    "input_audio",
    "input_cached_text",
    "input_cached_audio",
    "output_text",
    "output_audio",
]
TranscriptionKind = Literal[
    "transcription_input_text",
    "transcription_input_audio",
    "transcription_output_text",
    "transcription_minutes",
]
PriceKind = TokenKind | TranscriptionKind
TOKEN_KINDS: tuple[str, ...] = get_args(TokenKind)
TRANSCRIPTION_KINDS: tuple[str, ...] = get_args(TranscriptionKind)

NOTHING = Decimal(0)
MILLION = Decimal(1_000_000)
MS_A_MINUTE = Decimal(60_000)
MS_A_CALLER_TOKEN = 100
"""https://platform.openai.com/docs/guides/realtime-costs"""


def cost_of(usage: Mapping[str, int], prices: Mapping[str, Decimal]) -> Decimal | None:
    """US dollars. `prices` by kind: of a million tokens, of a minute. None: something that was used has
    no price."""
    total = Decimal(0)
    for kind, amount in _billed(usage, by_the_minute="transcription_minutes" in prices).items():
        if not amount:
            continue
        price = prices.get(kind)
        if price is None:
            return None
        total += amount * price
    return total


def _billed(usage: Mapping[str, int], *, by_the_minute: bool) -> dict[str, Decimal]:
    """Millions of tokens and minutes by kind; `input_*` without the cached ones, which have a price of
    their own."""

    def tokens(kind: str, less: str = "") -> Decimal:
        count = max(0, usage.get(kind, 0) - usage.get(less, 0))
        return Decimal(count) / MILLION if count else NOTHING

    billed = {kind: tokens(kind) for kind in TOKEN_KINDS}
    billed["input_text"] = tokens("input_text", less="input_cached_text")
    billed["input_audio"] = tokens("input_audio", less="input_cached_audio")
    transcribed_ms = usage.get("transcription_ms", 0)
    if by_the_minute:
        # Some report tokens although they are paid by the minute.
        transcribed_ms += MS_A_CALLER_TOKEN * usage.get("transcription_input_audio", 0)
    else:
        billed |= {kind: tokens(kind) for kind in TRANSCRIPTION_KINDS if kind != "transcription_minutes"}
    billed["transcription_minutes"] = Decimal(transcribed_ms) / MS_A_MINUTE
    return billed
