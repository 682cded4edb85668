"""The names of what happens on a call. More may come; none changes."""

from __future__ import annotations

from typing import Literal

EventType = Literal[
    "call.created",
    "call.ringing",
    "call.answered",
    "call.transferring",
    "call.transferred",
    "call.transfer_failed",
    "call.answered_by",
    "call.ended",
    "stream.started",
    "stream.lost",
    "stream.resumed",
    "model.connected",
    "model.unreachable",
    "model.error",
    "model.lost",
    "model.resumed",
    "agent.started_speaking",
    "agent.interrupted",
    "agent.line_played",
    "caller.started_speaking",
    "caller.stopped_speaking",
    "transcript.line",
    "dtmf.received",
    "tool.called",
    "tool.returned",
    "recording.started",
    "recording.announced",
    "recording.failed",
    "recording.ready",
]
