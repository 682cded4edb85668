"""What one response is to be: the session's settings, with those of its `response.create` over them."""

from __future__ import annotations

import copy
from dataclasses import dataclass

from simulator.model.conversation import Conversation
from simulator.model.reply import Cause
from simulator.model.shapes import Json, Refused
from simulator.model.usage import Input, Tokens


@dataclass(frozen=True, slots=True)
class ResponseOptions:
    cause: Cause
    asked: str | None
    """Its own instructions."""
    tools: tuple[Json, ...]
    modality: str
    sound: Json
    voice: str | Json
    max_output_tokens: int | str
    metadata: Json | None
    conversation: Conversation | None
    """None: out of band."""
    read: Input


def response_options(
    session: Json, params: Json, cause: Cause, conversation: Conversation, tokens: Tokens
) -> ResponseOptions:
    """Raises `Refused` for what only shows in the whole."""
    modalities: list[str] = params.get("output_modalities", session["output_modalities"])
    if len(modalities) != 1:
        message = "Invalid modalities: expected exactly one of 'audio' and 'text'."
        raise Refused("invalid_value", message, "response.output_modalities")
    output: Json = {**session["audio"]["output"], **params.get("audio", {}).get("output", {})}
    instructions: str = params.get("instructions", session["instructions"])
    tools: list[Json] = params.get("tools", session["tools"])
    # A response with an `input` of its own does not read the conversation.
    items = conversation.items if "input" not in params else []
    return ResponseOptions(
        cause=cause,
        asked=params.get("instructions"),
        tools=tuple(tools),
        modality=modalities[0],
        sound=output["format"],
        voice=copy.deepcopy(output["voice"]),
        max_output_tokens=params.get("max_output_tokens", session["max_output_tokens"]),
        metadata=params.get("metadata"),
        conversation=conversation if params.get("conversation") != "none" else None,
        read=tokens.read(instructions, tools, items),
    )
