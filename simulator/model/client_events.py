"""What a client may send: the GA client events, every field of them and nothing else."""

from __future__ import annotations

import json
from typing import cast

from simulator.model.shapes import (
    Check,
    Json,
    Refused,
    anything,
    boolean,
    integer,
    list_of,
    map_of,
    nullable,
    number,
    one_of,
    record,
    text,
    variants,
    word_or,
)

_FORMAT = variants(
    "type",
    {
        "audio/pcm": record({"type": text()}, {"rate": integer(24_000, 24_000)}),
        "audio/pcmu": record({"type": text()}),
        "audio/pcma": record({"type": text()}),
    },
)
_VOICES = ("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar")
_VOICE = word_or(_VOICES, record({"id": text()}))
_MAX_OUTPUT_TOKENS = word_or(("inf",), integer(1, 4096))
_EFFORT = record({}, {"effort": one_of("minimal", "low", "medium", "high", "xhigh")})
_PROMPT = nullable(
    record({"id": text()}, {"version": nullable(text()), "variables": nullable(map_of(anything))})
)
_INCLUDE = nullable(list_of(one_of("item.input_audio_transcription.logprobs")))
_METADATA = nullable(map_of(text(longest=512), most=16, longest_key=64))

_TURN_DETECTION = variants(
    "type",
    {
        "server_vad": record(
            {"type": text()},
            {
                "threshold": number(0, 1),
                "prefix_padding_ms": integer(0),
                "silence_duration_ms": integer(0),
                "idle_timeout_ms": nullable(integer(5_000, 30_000)),
                "create_response": boolean,
                "interrupt_response": boolean,
            },
        ),
        "semantic_vad": record(
            {"type": text()},
            {
                "eagerness": one_of("low", "medium", "high", "auto"),
                "create_response": boolean,
                "interrupt_response": boolean,
            },
        ),
    },
)
_EFFORTS = ("minimal", "low", "medium", "high", "xhigh")
_TRANSCRIPTION = record(
    {},
    {
        "model": text(),
        "language": nullable(text()),
        "languages": nullable(list_of(text())),
        "keywords": nullable(list_of(text())),
        "prompt": nullable(text()),
        "delay": nullable(one_of(*_EFFORTS)),
    },
)
_NOISE_REDUCTION = record({"type": one_of("near_field", "far_field")}, {"strength": number(0, 1)})
_INPUT = record(
    {},
    {
        "format": _FORMAT,
        "transcription": nullable(_TRANSCRIPTION),
        "noise_reduction": nullable(_NOISE_REDUCTION),
        "turn_detection": nullable(_TURN_DETECTION),
    },
)
_OUTPUT = record({}, {"format": _FORMAT, "voice": _VOICE, "speed": number(0.25, 1.5)})

_TOOL_NAMES = record({}, {"tool_names": list_of(text()), "read_only": boolean})


def _tools_or_names(value: object, path: str) -> None:
    (list_of(text()) if isinstance(value, list) else _TOOL_NAMES)(cast("object", value), path)


_TOOL = variants(
    "type",
    {
        "function": record(
            {"type": text(), "name": text(longest=64)}, {"description": text(), "parameters": anything}
        ),
        "mcp": record(
            {"type": text(), "server_label": text()},
            {
                "server_url": text(),
                "connector_id": text(),
                "tunnel_id": text(),
                "authorization": text(),
                "headers": nullable(map_of(text())),
                "allowed_tools": nullable(_tools_or_names),
                "require_approval": nullable(
                    word_or(("always", "never"), record({}, {"always": _TOOL_NAMES, "never": _TOOL_NAMES}))
                ),
                "server_description": text(),
                "defer_loading": boolean,
                "allowed_callers": nullable(list_of(one_of("direct", "programmatic"))),
            },
        ),
    },
)
_TOOL_CHOICE = word_or(
    ("none", "auto", "required"),
    variants(
        "type",
        {
            "function": record({"type": text(), "name": text()}),
            "mcp": record({"type": text(), "server_label": text()}, {"name": nullable(text())}),
        },
    ),
)


_TRACING = nullable(
    word_or(
        ("auto",), record({}, {"workflow_name": text(), "group_id": text(), "metadata": map_of(anything)})
    )
)
_RETENTION = record(
    {"type": one_of("retention_ratio"), "retention_ratio": number(0, 1)},
    {"token_limits": record({}, {"post_instructions": integer(0)})},
)

_SESSION = variants(
    "type",
    {
        "realtime": record(
            {"type": text()},
            {
                "model": text(),
                "output_modalities": list_of(one_of("audio", "text")),
                "instructions": text(),
                "audio": record({}, {"input": _INPUT, "output": _OUTPUT}),
                "include": _INCLUDE,
                "max_output_tokens": _MAX_OUTPUT_TOKENS,
                "tools": list_of(_TOOL),
                "tool_choice": _TOOL_CHOICE,
                "parallel_tool_calls": boolean,
                "reasoning": _EFFORT,
                "tracing": _TRACING,
                "truncation": word_or(("auto", "disabled"), _RETENTION),
                "prompt": _PROMPT,
            },
        ),
        "transcription": record(
            {"type": text()}, {"audio": record({}, {"input": _INPUT}), "include": _INCLUDE}
        ),
    },
)

_ITEM_KEYS: dict[str, Check] = {
    "id": text(longest=32),
    "object": one_of("realtime.item"),
    "status": one_of("completed", "incomplete", "in_progress"),
}
_INPUT_TEXT = record({"type": text(), "text": text()})


def _message(role: str, content: dict[str, Check]) -> Check:
    return record(
        {"type": text(), "role": one_of(role), "content": list_of(variants("type", content))}, _ITEM_KEYS
    )


_MESSAGE = variants(
    "role",
    {
        "system": _message("system", {"input_text": _INPUT_TEXT}),
        "user": _message(
            "user",
            {
                "input_text": _INPUT_TEXT,
                "input_audio": record({"type": text(), "audio": text()}, {"transcript": nullable(text())}),
                "input_image": record(
                    {"type": text(), "image_url": text()}, {"detail": one_of("auto", "low", "high")}
                ),
            },
        ),
        # Assistant audio cannot be created by a client: only what the model has said exists as sound.
        "assistant": _message("assistant", {"output_text": _INPUT_TEXT}),
    },
)
_ITEM_SHAPES: dict[str, Check] = {
    "message": _MESSAGE,
    "function_call": record(
        {"type": text(), "name": text(), "arguments": text()}, {**_ITEM_KEYS, "call_id": text()}
    ),
    "function_call_output": record({"type": text(), "call_id": text(), "output": text()}, _ITEM_KEYS),
    "mcp_approval_response": record(
        {"type": text(), "approval_request_id": text(), "approve": boolean},
        {**_ITEM_KEYS, "reason": nullable(text())},
    ),
}
_ITEM = variants("type", _ITEM_SHAPES)
_ITEM_OR_REFERENCE = variants(
    "type", {**_ITEM_SHAPES, "item_reference": record({"type": text(), "id": text()})}
)

_RESPONSE = record(
    {},
    {
        "conversation": one_of("auto", "none"),
        "input": list_of(_ITEM_OR_REFERENCE),
        "instructions": text(),
        "tools": list_of(_TOOL),
        "tool_choice": _TOOL_CHOICE,
        "parallel_tool_calls": boolean,
        "reasoning": _EFFORT,
        "output_modalities": list_of(one_of("audio", "text")),
        "audio": record({}, {"output": record({}, {"format": _FORMAT, "voice": _VOICE})}),
        "max_output_tokens": _MAX_OUTPUT_TOKENS,
        "metadata": _METADATA,
        "prompt": _PROMPT,
    },
)


def _event(required: dict[str, Check] | None = None, optional: dict[str, Check] | None = None) -> Check:
    event_id = {"event_id": nullable(text(longest=512))}
    return record({"type": text(), **(required or {})}, {**event_id, **(optional or {})})


EVENTS: dict[str, Check] = {
    "session.update": _event({"session": _SESSION}),
    "input_audio_buffer.append": _event({"audio": text()}),
    "input_audio_buffer.commit": _event(),
    "input_audio_buffer.clear": _event(),
    "output_audio_buffer.clear": _event(),
    "conversation.item.create": _event({"item": _ITEM}, {"previous_item_id": nullable(text())}),
    "conversation.item.retrieve": _event({"item_id": text()}),
    "conversation.item.truncate": _event(
        {"item_id": text(), "content_index": integer(0), "audio_end_ms": integer(0)}
    ),
    "conversation.item.delete": _event({"item_id": text()}),
    "response.create": _event(None, {"response": nullable(_RESPONSE)}),
    "response.cancel": _event(None, {"response_id": nullable(text())}),
}
_ANY_EVENT = variants("type", EVENTS)


def parse(message: str | bytes) -> Json:
    """The client event in a frame, not yet checked. Raises `Refused` when it is no JSON object."""
    try:
        event: object = json.loads(message)
    except (ValueError, RecursionError):
        raise Refused("invalid_event", "The message is not valid JSON.") from None
    if not isinstance(event, dict):
        raise Refused("invalid_event", "The message must be a JSON object.")
    return cast("Json", event)


def check(event: Json) -> None:
    """Raises `Refused` for the first field that is unknown, missing or wrong."""
    _ANY_EVENT(event, "")
