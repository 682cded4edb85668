"""OpenAI's error codes by what can be done about them.

Not all are documented; https://platform.openai.com/docs/guides/error-codes has the account's ones.
"""

from __future__ import annotations

REFUSED = frozenset(
    {
        "account_deactivated",
        "beta_api_shape_disabled",
        "billing_hard_limit_reached",
        "credit_balance_exhausted",
        "insufficient_quota",
        "invalid_api_key",
        "invalid_intent",
        "invalid_model",
        "model_not_found",
    }
)
"""Trying again unchanged will not help."""

EXPIRED = "session_expired"
ACTIVE_RESPONSE = "conversation_already_has_active_response"

REFUSED_CLOSE_CODES = frozenset({3000, 4000})
"""Authentication refused; request refused. The reason reads `<error.type>.<error.code>`."""

EXPECTED = frozenset({"response_cancel_not_active", "input_audio_buffer_commit_empty"})
"""The other side was faster; nothing is wrong."""
