"""Who gets a session: key, model, and the header that must not be there. OpenAI upgrades, then refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from simulator.model.session_config import MODELS
from simulator.model.settings import ModelBehaviour
from simulator.model.shapes import Refused


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a connection does not become a session."""

    refused: Refused
    close_code: int
    status: int | None = None
    """Instead of the upgrade, where that is how it is refused."""

    @property
    def reason(self) -> str:
        """Of the close frame."""
        return f"invalid_request_error.{self.refused.code}"

    @property
    def body(self) -> dict[str, str | None]:
        """Of an HTTP refusal."""
        refused = self.refused
        return {
            "message": refused.message,
            "type": "invalid_request_error",
            "param": refused.param,
            "code": refused.code,
        }


def refusal_of(
    headers: Mapping[str, str], query: Mapping[str, str], behaviour: ModelBehaviour
) -> Refusal | None:
    """None: welcome."""
    scheme, _, key = headers.get("Authorization", "").partition(" ")
    known = behaviour.api_keys is None or key.strip() in behaviour.api_keys
    if scheme.lower() != "bearer" or not key.strip() or not known:
        status = 401 if behaviour.refuse_key_by == "status" else None
        return Refusal(Refused("invalid_api_key", "Incorrect API key provided."), 3000, status)
    if "OpenAI-Beta" in headers:
        message = "The Realtime API's beta shape is no longer supported. Remove the OpenAI-Beta header."
        return Refusal(Refused("beta_api_shape_disabled", message), 4000)
    intent, model = query.get("intent", "realtime"), query.get("model", "")
    if intent != "realtime":
        return Refusal(Refused("invalid_intent", f'Intent "{intent}" is not supported here.', "intent"), 4000)
    if model not in MODELS:
        return Refusal(
            Refused("invalid_model", f'Model "{model}" is not supported in realtime mode.', "model"), 4000
        )
    return None
