"""How long the caller waited: from the end of their speech to the first agent audio written to Twilio."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from msgspec import Struct


class _Waiting(Struct):
    ended_at: float
    """When the caller's last word had ended, on the machine's clock."""
    noticed_at: float
    """When the model said so."""
    estimated: bool
    spoke_at: float | None = None
    """When the first agent audio of the answer came from the model."""


class Turn(Struct, frozen=True):
    """One answer's waiting time and whose it was."""

    response_ms: int
    vad_ms: int
    model_ms: int
    bridge_ms: float
    estimated: bool

    @property
    def parts(self) -> dict[str, Any]:
        """As `agent.started_speaking` tells it."""
        parts: dict[str, Any] = {
            "response_ms": self.response_ms,
            "vad_ms": self.vad_ms,
            "model_ms": self.model_ms,
            "bridge_ms": self.bridge_ms,
        }
        return parts | {"estimated": True} if self.estimated else parts


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least `share` of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


class Turns:
    def __init__(self, past: Sequence[Turn] = (), answer_to_first_audio_ms: int | None = None) -> None:
        self._waiting: _Waiting | None = None
        self._turns = list(past)
        self._answer_to_first_audio_ms = answer_to_first_audio_ms

    def caller_stopped(self, *, ended_at: float, noticed_at: float, estimated: bool) -> None:
        self._waiting = _Waiting(min(ended_at, noticed_at), noticed_at, estimated)

    def caller_started(self) -> None:
        """Whatever was being waited for is overtaken."""
        self._waiting = None

    def agent_spoke(self, now: float) -> None:
        if self._waiting is not None and self._waiting.spoke_at is None:
            self._waiting.spoke_at = now

    def audio_written(self, now: float, answered_at: float) -> Turn | None:
        """The first audio of a response is out."""
        if self._answer_to_first_audio_ms is None:
            self._answer_to_first_audio_ms = round((now - answered_at) * 1000)
        waiting, self._waiting = self._waiting, None
        if waiting is None or waiting.spoke_at is None:
            return None
        turn = Turn(
            response_ms=round((now - waiting.ended_at) * 1000),
            vad_ms=round((waiting.noticed_at - waiting.ended_at) * 1000),
            model_ms=round((waiting.spoke_at - waiting.noticed_at) * 1000),
            bridge_ms=round((now - waiting.spoke_at) * 1000, 2),
            estimated=waiting.estimated,
        )
        self._turns.append(turn)
        return turn

    def summary(self) -> dict[str, Any]:
        """`latency` of the contract."""
        turns = self._turns
        summary: dict[str, Any] = {
            "answer_to_first_audio_ms": self._answer_to_first_audio_ms,
            "turns": len(turns),
            "response_p50_ms": None,
            "response_p95_ms": None,
            "vad_ms": None,
            "model_p50_ms": None,
            "bridge_p95_ms": None,
        }
        if turns:
            summary["response_p50_ms"] = percentile([turn.response_ms for turn in turns], 0.5)
            summary["response_p95_ms"] = percentile([turn.response_ms for turn in turns], 0.95)
            summary["vad_ms"] = percentile([turn.vad_ms for turn in turns], 0.5)
            summary["model_p50_ms"] = percentile([turn.model_ms for turn in turns], 0.5)
            summary["bridge_p95_ms"] = percentile([turn.bridge_ms for turn in turns], 0.95)
            if any(turn.estimated for turn in turns):
                summary["estimated"] = True
        return summary
