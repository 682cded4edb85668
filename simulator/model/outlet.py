"""Where a session puts what is to leave it: frames, and slow work that somebody else has to do."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

from simulator.model.settings import ModelBehaviour
from simulator.model.shapes import Json, Refused

_UNKNOWN_EVENT_CHANCE = 0.2


@dataclass(frozen=True, slots=True)
class Close:
    """End the socket; 1006: without a close frame."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Speak:
    """Turn a text into speech; the answer goes to `Session.spoken`."""

    response_id: str
    part: int
    text: str


@dataclass(frozen=True, slots=True)
class Recognise:
    """Find out what was said; the answer goes to `Session.recognised`."""

    item_id: str
    mulaw: bytes


Outgoing = str | Close | Speak | Recognise


class Outlet:
    """Collects what leaves a session, in order."""

    def __init__(self, behaviour: ModelBehaviour, seed: int) -> None:
        self.behaviour = behaviour
        self.chance = random.Random(seed)
        self.errors: list[Json] = []
        self.closed = False
        self._waiting: list[Outgoing] = []

    def take(self) -> list[Outgoing]:
        taken, self._waiting = self._waiting, []
        return taken

    def new_id(self, prefix: str) -> str:
        return f"{prefix}_{self.chance.getrandbits(80):020x}"

    def emit(self, event_type: str, **fields: Any) -> None:
        """One server event."""
        event = {"type": event_type, "event_id": self.new_id("event"), **fields}
        if self.behaviour.obfuscation and "delta" in fields:
            event["obfuscation"] = f"{self.chance.getrandbits(self.chance.randint(4, 60)):x}"
        if self.behaviour.unknown_events and self.chance.random() < _UNKNOWN_EVENT_CHANCE:
            unknown = {
                "type": "session.weather.changed",
                "event_id": self.new_id("event"),
                "weather": {"sky": "clear"},
            }
            self.send(json.dumps(unknown))
        self.send(json.dumps(event))

    def send(self, out: Outgoing) -> None:
        if not self.closed:
            self._waiting.append(out)

    def error(self, refused: Refused, event_id: str | None, kind: str = "invalid_request_error") -> None:
        error = {
            "type": kind,
            "code": refused.code,
            "message": refused.message,
            "param": refused.param,
            "event_id": event_id,
        }
        self.errors.append(error)
        self.emit("error", error=error)

    def close(self, code: int, reason: str) -> None:
        """Nothing leaves after this."""
        self.send(Close(code, reason))
        self.closed = True
