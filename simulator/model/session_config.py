"""The session object: what a new one holds, and what `session.update` may change in it."""

from __future__ import annotations

import copy
from typing import cast

from simulator.model.shapes import Json, Refused

MODELS = (
    "gpt-realtime-2.1",
    "gpt-realtime-2.1-mini",
    "gpt-realtime-2",
    "gpt-realtime-1.5",
    "gpt-realtime",
    "gpt-realtime-2025-08-28",
    "gpt-realtime-mini",
    "gpt-realtime-mini-2025-10-06",
    "gpt-realtime-mini-2025-12-15",
)
_REASONING_MODELS = ("gpt-realtime-2", "gpt-realtime-2.1", "gpt-realtime-2.1-mini")
_DEFAULT_INSTRUCTIONS = (
    "You are a helpful, friendly voice. Answer briefly and in the language of the speaker."
)

# A live `session.created` shows 200 ms of silence; the schema text says 500.
_SERVER_VAD: Json = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 200,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
_SEMANTIC_VAD: Json = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}


def new_session(session_id: str, model: str, expires_at: int) -> Json:
    pcm = {"type": "audio/pcm", "rate": 24000}
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": session_id,
        "model": model,
        "output_modalities": ["audio"],
        "instructions": _DEFAULT_INSTRUCTIONS,
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "expires_at": expires_at,
        "audio": {
            "input": {
                "format": dict(pcm),
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": dict(_SERVER_VAD),
            },
            "output": {"format": dict(pcm), "voice": "marin", "speed": 1.0},
        },
        "include": None,
    }


def updated_session(session: Json, update: Json, *, spoken: bool, responding: bool) -> Json:
    """The session after a valid `session.update`; nothing of an update is applied when a part of it is
    refused.

    Fields that are absent stay; `audio.input` and `audio.output` merge field by field; everything below
    them is replaced, with the server's defaults for what a partial object leaves out. `spoken`: the model
    has been heard in this session.
    """
    if update["type"] != session["type"]:
        message = (
            f"Passing a {update['type']} session update event to a {session['type']} session is not allowed."
        )
        raise Refused("invalid_parameter", message, "session.type")
    _refuse_frozen(session, update, spoken=spoken, responding=responding)
    _refuse_unsupported(session["model"], update)
    merged = copy.deepcopy(session)
    merged.update({name: copy.deepcopy(value) for name, value in update.items() if name != "audio"})
    for side in ("input", "output"):
        changes = cast("Json", update.get("audio", {}).get(side, {}))
        merged["audio"][side].update({name: _completed(name, value) for name, value in changes.items()})
    return merged


def _completed(name: str, value: object) -> object:
    if not isinstance(value, dict):
        return value
    given = cast("Json", value)
    if name == "turn_detection":
        return {**(_SERVER_VAD if given["type"] == "server_vad" else _SEMANTIC_VAD), **given}
    if name == "format" and given["type"] == "audio/pcm":
        return {"rate": 24000, **given}
    if name == "transcription":
        return {"model": "gpt-live-transcribe", "language": None, "prompt": None, **given}
    return dict(given)


def _refuse_frozen(session: Json, update: Json, *, spoken: bool, responding: bool) -> None:
    output = cast("Json", update.get("audio", {}).get("output", {}))
    now = session["audio"]["output"]
    if update.get("model", session["model"]) != session["model"]:
        raise Refused("invalid_value", "The model of a session cannot be changed.", "session.model")
    if spoken and output.get("voice", now["voice"]) != now["voice"]:
        message = "Cannot update a conversation's voice if assistant audio is present."
        raise Refused("cannot_update_voice", message, "session.audio.output.voice")
    if responding and output.get("speed", now["speed"]) != now["speed"]:
        message = "The speed can only be changed between turns, not while a response is in progress."
        raise Refused("invalid_value", message, "session.audio.output.speed")
    if session["tracing"] is not None and update.get("tracing", session["tracing"]) != session["tracing"]:
        raise Refused("invalid_value", "Tracing cannot be changed once it is on.", "session.tracing")


def _refuse_unsupported(model: str, update: Json) -> None:
    if len(update.get("output_modalities", ["audio"])) != 1:
        message = "Invalid modalities: expected exactly one of 'audio' and 'text'."
        raise Refused("invalid_value", message, "session.output_modalities")
    if model in _REASONING_MODELS:
        return
    for name in ("reasoning", "parallel_tool_calls"):
        if name in update:
            message = f"'{name}' is not supported by the model '{model}'."
            raise Refused("unsupported_parameter", message, f"session.{name}")
