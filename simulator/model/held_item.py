"""What a session's conversation holds, for tests and people to read."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from simulator.model.conversation import Item


class HeldItem(Struct, frozen=True, kw_only=True):
    id: str
    type: str
    role: str
    """Of a message: system, user, assistant; else empty."""
    text: str
    """Written, transcribed or, where truncated, heard; a function's name and arguments, or its output."""
    audio_ms: int
    status: str


def held(item: Item) -> HeldItem:
    wire = item.wire
    return HeldItem(
        id=item.id,
        type=wire["type"],
        role=wire.get("role", ""),
        text=item.text or _transcript(wire.get("content", [])) or item.heard,
        audio_ms=item.audio_ms,
        status=wire.get("status", ""),
    )


def _transcript(content: list[dict[str, Any]]) -> str:
    return " ".join(part["transcript"] for part in content if part.get("transcript"))
