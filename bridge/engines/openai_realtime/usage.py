"""OpenAI's token counts in the contract's names. Every field may be missing.

https://platform.openai.com/docs/guides/realtime-costs
"""

from __future__ import annotations

from typing import Any, cast


def _count(data: dict[str, Any], *path: str) -> int:
    value: Any = data
    for key in path:
        if not isinstance(value, dict):
            return 0
        value = cast("dict[str, Any]", value).get(key)
    return value if isinstance(value, int) else 0


def response_tokens(usage: dict[str, Any]) -> dict[str, int]:
    """Of a `response.done`; `input_*` include the cached ones."""
    cached = ("input_token_details", "cached_tokens_details")
    return {
        "input_text": _count(usage, "input_token_details", "text_tokens"),
        "input_audio": _count(usage, "input_token_details", "audio_tokens"),
        "input_cached_text": _count(usage, *cached, "text_tokens"),
        "input_cached_audio": _count(usage, *cached, "audio_tokens"),
        "output_text": _count(usage, "output_token_details", "text_tokens"),
        "output_audio": _count(usage, "output_token_details", "audio_tokens"),
    }


def transcription(usage: dict[str, Any]) -> dict[str, int]:
    """Of a transcription, which is billed apart: by token or by duration."""
    if usage.get("type") == "duration":
        seconds = usage.get("seconds")
        return {"transcription_ms": round(seconds * 1000) if isinstance(seconds, int | float) else 0}
    return {
        "transcription_input_text": _count(usage, "input_token_details", "text_tokens"),
        "transcription_input_audio": _count(usage, "input_token_details", "audio_tokens"),
        "transcription_output_text": _count(usage, "output_tokens"),
    }
