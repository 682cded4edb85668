"""Why a call ended. Every call ends for exactly one of these; `docs/reference/endings.md` has a line for
each."""

from __future__ import annotations

from enum import StrEnum


class EndReason(StrEnum):
    CALLER_HUNG_UP = "caller_hung_up"
    AGENT_HUNG_UP = "agent_hung_up"
    OPERATOR_HUNG_UP = "operator_hung_up"
    TRANSFERRED = "transferred"
    MAX_DURATION = "max_duration"
    CALLER_SILENT = "caller_silent"
    NOT_ANSWERED = "not_answered"
    DIAL_FAILED = "dial_failed"
    CANCELED = "canceled"
    BLOCKED = "blocked"
    REJECTED = "rejected"
    VOICEMAIL = "voicemail"
    MODEL_REFUSED = "model_refused"
    MODEL_LOST = "model_lost"
    STREAM_LOST = "stream_lost"
    PROCESS_LOST = "process_lost"
    OVERLOADED = "overloaded"
    COST_LIMIT = "cost_limit"
    DRAINING = "draining"
    INTERNAL_ERROR = "internal_error"


APOLOGISE = frozenset(
    {
        EndReason.MODEL_REFUSED,
        EndReason.MODEL_LOST,
        EndReason.STREAM_LOST,
        EndReason.PROCESS_LOST,
        EndReason.OVERLOADED,
        EndReason.DRAINING,
        EndReason.INTERNAL_ERROR,
    }
)
"""Endings that are our fault: the caller hears an apology, then the agent's fallback number if it has one."""
