"""Transcriptions of what the caller said, which come when they come."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from simulator.model.conversation import Item, text_tokens
from simulator.model.outlet import Outlet
from simulator.model.settings import ModelTiming

_PREFIX = "conversation.item.input_audio_transcription"


@dataclass(slots=True)
class _Pending:
    item: Item
    model: str
    due: float
    text: str | None = None
    known: bool = False


class Transcriptions:
    """Those of one session that are still to come."""

    def __init__(self, timing: ModelTiming, outlet: Outlet) -> None:
        self._timing = timing
        self._outlet = outlet
        self._pending: list[_Pending] = []
        self.told: list[tuple[str, float]] = []
        """The texts that the client was told, and when."""

    def begin(self, item: Item, model: str, now: float) -> None:
        """A turn was committed in a session that wants transcriptions."""
        mode, due = self._outlet.behaviour.transcription, now + self._timing.transcription_ms / 1000
        if mode == "missing":
            return
        self._pending.append(_Pending(item, model, due))
        if mode == "swapped":
            for pending in self._pending:
                pending.due = due

    def heard(self, item_id: str, text: str | None) -> None:
        for pending in self._pending:
            if pending.item.id == item_id:
                pending.text, pending.known = text, True

    def deadline(self, *, responding: bool) -> float | None:
        """`responding`: a response is running, which a late transcription waits for."""
        return min((pending.due for pending in self._ready(responding=responding)), default=None)

    def advance(self, now: float, *, responding: bool) -> None:
        due = [pending for pending in self._ready(responding=responding) if pending.due <= now]
        for pending in reversed(due) if self._outlet.behaviour.transcription == "swapped" else due:
            self._pending.remove(pending)
            self._send(pending, now)

    def _ready(self, *, responding: bool) -> list[_Pending]:
        mode = self._outlet.behaviour.transcription
        ready = [pending for pending in self._pending if pending.known]
        held = (mode == "late" and responding) or (mode == "swapped" and len(ready) % 2)
        return [] if held else ready

    def _send(self, pending: _Pending, now: float) -> None:
        place = {"item_id": pending.item.id, "content_index": 0}
        if self._outlet.behaviour.transcription == "failed":
            error = {
                "type": "transcription_error",
                "code": "audio_unintelligible",
                "message": "The audio could not be transcribed.",
                "param": None,
            }
            self._outlet.emit(f"{_PREFIX}.failed", **place, error=error)
            return
        text = pending.text or ""
        pieces: list[str] = [text] if pending.model == "whisper-1" else re.findall(r"\s*\S+", text)
        for piece in pieces:
            self._outlet.emit(f"{_PREFIX}.delta", **place, delta=piece)
        pending.item.wire["content"][0]["transcript"] = text
        self.told.append((text, now))
        self._outlet.emit(f"{_PREFIX}.completed", **place, transcript=text, usage=_usage(pending.item, text))


def _usage(item: Item, text: str) -> dict[str, object]:
    audio, written = math.ceil(item.audio_ms / 100), text_tokens(text)
    return {
        "type": "tokens",
        "total_tokens": audio + written,
        "input_tokens": audio,
        "input_token_details": {"text_tokens": 0, "audio_tokens": audio},
        "output_tokens": written,
    }
