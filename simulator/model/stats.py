"""What happened, for tests, benchmarks and people to read."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import msgspec

from simulator.model.conversation import Conversation
from simulator.model.held_item import HeldItem, held
from simulator.model.shapes import Json

_KEPT_EVENTS = 1000


@dataclass(frozen=True, slots=True)
class Truncation:
    item_id: str
    audio_end_ms: int
    produced_ms: int
    """What the model had sent of the item when the truncation came."""


@dataclass(slots=True)
class SessionRecord:
    """One session, alive or over."""

    session_id: str
    model: str
    conversation: Conversation | None = None
    """While the session is open."""
    errors: list[Json] = field(default_factory=list[Json])
    """The `error` events sent, their inner object."""
    transcribed: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])
    """What the client was told that the caller said, and when, in monotonic seconds."""
    instructions: str = ""
    """The latest."""
    appended_ms: int = 0
    responses: int = 0
    heard: list[str] = field(default_factory=list[str])
    """What the caller said, turn by turn, as far as it was understood."""
    said: list[str] = field(default_factory=list[str])
    """What the model set out to say."""
    truncations: list[Truncation] = field(default_factory=list[Truncation])
    deleted: list[str] = field(default_factory=list[str])
    received: deque[Json] = field(default_factory=lambda: deque[Json](maxlen=_KEPT_EVENTS))
    """The latest client events but for `input_audio_buffer.append`."""
    close_code: int | None = None
    """None while it is open; 1006 when the connection broke."""
    _left: tuple[HeldItem, ...] = ()

    @property
    def items(self) -> tuple[HeldItem, ...]:
        """What the conversation holds, or held when the session ended."""
        return tuple(map(held, self.conversation.items)) if self.conversation is not None else self._left

    def close(self, code: int) -> None:
        """The session is over; what was said is kept, its sound is not."""
        self._left, self.conversation = self.items, None
        self.close_code = code


def session_as_json(record: SessionRecord) -> Json:
    return {
        "session_id": record.session_id,
        "close_code": record.close_code,
        "appended_ms": record.appended_ms,
        "heard": record.heard,
        "said": record.said,
        "transcribed": record.transcribed,
        "errors": record.errors,
        "items": msgspec.to_builtins(record.items),
    }


@dataclass(slots=True)
class ModelStats:
    sessions: list[SessionRecord] = field(default_factory=list[SessionRecord])
    """In the order in which they were opened."""
    refused: int = 0
    """Connections that never became a session."""

    @property
    def total_sessions(self) -> int:
        return len(self.sessions)

    @property
    def open_sessions(self) -> int:
        return sum(session.close_code is None for session in self.sessions)

    @property
    def errors_sent(self) -> int:
        return sum(len(session.errors) for session in self.sessions)
