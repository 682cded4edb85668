"""Plausible token counts: a caller's token lasts 100 ms, the agent's 50 ms, and what was read before is
cached.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from simulator.model.conversation import Item, text_tokens
from simulator.model.shapes import Json

_CACHE_BLOCK = 64
TOKENS_PER_MINUTE = 40_000


@dataclass(frozen=True, slots=True)
class Input:
    """Tokens that a response reads."""

    text: int
    audio: int
    cached_text: int
    cached_audio: int


class Tokens:
    """Counts for one session."""

    def __init__(self) -> None:
        self._known_text = 0
        self._known_audio = 0

    def forget(self) -> None:
        """Instructions, tools or old items changed: nothing of the prompt is cached any more."""
        self._known_text = self._known_audio = 0

    def read(self, instructions: str, tools: Sequence[Json], items: Sequence[Item]) -> Input:
        text = text_tokens(instructions) + sum(text_tokens(json.dumps(tool)) for tool in tools)
        audio = 0
        for item in items:
            item_text, item_audio = item.tokens
            text, audio = text + item_text, audio + item_audio
        cached_text = min(self._known_text, text) // _CACHE_BLOCK * _CACHE_BLOCK
        cached_audio = min(self._known_audio, audio) // _CACHE_BLOCK * _CACHE_BLOCK
        self._known_text, self._known_audio = text, audio
        return Input(text, audio, cached_text, cached_audio)


def usage(read: Input, text_out: int, audio_out: int) -> Json:
    """The `usage` of a `response.done`."""
    tokens_in, tokens_out = read.text + read.audio, text_out + audio_out
    return {
        "total_tokens": tokens_in + tokens_out,
        "input_tokens": tokens_in,
        "output_tokens": tokens_out,
        "input_token_details": {
            "text_tokens": read.text,
            "audio_tokens": read.audio,
            "image_tokens": 0,
            "cached_tokens": read.cached_text + read.cached_audio,
            "cached_tokens_details": {
                "text_tokens": read.cached_text,
                "audio_tokens": read.cached_audio,
                "image_tokens": 0,
            },
        },
        "output_token_details": {"text_tokens": text_out, "audio_tokens": audio_out},
    }


def rate_limits(spent: int) -> list[Json]:
    """Seen after `response.done`, and only the entry of tokens."""
    remaining = max(0, TOKENS_PER_MINUTE - spent)
    reset_seconds = round(60 * spent / TOKENS_PER_MINUTE, 3)
    return [
        {"name": "tokens", "limit": TOKENS_PER_MINUTE, "remaining": remaining, "reset_seconds": reset_seconds}
    ]
