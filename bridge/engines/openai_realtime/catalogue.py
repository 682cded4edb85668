"""OpenAI's realtime models and voices, as data: a name that is not here is passed on as it is.

https://platform.openai.com/docs/models, https://platform.openai.com/docs/deprecations; as of November 2026.
"""

from __future__ import annotations

from msgspec import Struct


class Model(Struct, frozen=True):
    reasons: bool
    """Takes `reasoning`; the others refuse it."""
    shutdown: str | None = None
    """The day from which it no longer answers."""


MODELS = {
    "gpt-realtime-2.1": Model(reasons=True),
    "gpt-realtime-2.1-mini": Model(reasons=True),
    "gpt-realtime-2": Model(reasons=True),
    "gpt-realtime-1.5": Model(reasons=False),
    "gpt-realtime": Model(reasons=False, shutdown="2027-01-20"),
    "gpt-realtime-2025-08-28": Model(reasons=False, shutdown="2027-01-20"),
    "gpt-realtime-mini": Model(reasons=False, shutdown="2027-01-20"),
    "gpt-realtime-mini-2025-10-06": Model(reasons=False, shutdown="2027-01-20"),
    "gpt-realtime-mini-2025-12-15": Model(reasons=False, shutdown="2027-01-20"),
}

SESSION_SECONDS = 3600.0
"""Of every model. https://platform.openai.com/docs/guides/realtime-conversations"""

VOICES = ("alloy", "ash", "ballad", "cedar", "coral", "echo", "marin", "sage", "shimmer", "verse")

TRANSCRIPTION_MODELS = {
    "gpt-live-transcribe": None,
    "gpt-transcribe": None,
    "gpt-realtime-whisper": None,
    "gpt-4o-transcribe": "2027-02-26",
    "gpt-4o-mini-transcribe": "2027-02-26",
    "whisper-1": "2027-02-26",
}
"""With the day of their shutdown where one is announced."""
