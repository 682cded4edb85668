"""What the pretend model accepts and refuses: a bridge learns of a wrong field here, not from OpenAI."""

from __future__ import annotations

import base64
import copy
import json
import typing
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.realtime import RealtimeResponseCreateParams, RealtimeSessionCreateRequest
from pydantic import BaseModel

from simulator.model.client_events import EVENTS
from tests.unit.simulator.openai_types import CLIENT_EVENTS
from tests.unit.simulator.talk import Talk, error

AUDIO = base64.b64encode(b"\xff" * 1600).decode()
TEXT_ITEM = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
VALID: dict[str, dict[str, Any]] = {
    "session.update": {"session": {"type": "realtime", "instructions": "Be brief."}},
    "input_audio_buffer.append": {"audio": AUDIO},
    "input_audio_buffer.commit": {},
    "input_audio_buffer.clear": {},
    "conversation.item.create": {"item": TEXT_ITEM},
    "conversation.item.retrieve": {"item_id": "item_known"},
    "conversation.item.truncate": {"item_id": "item_known", "content_index": 0, "audio_end_ms": 0},
    "conversation.item.delete": {"item_id": "item_known"},
    "response.create": {"response": {"instructions": "Say: Hello."}},
    "response.cancel": {},
    "output_audio_buffer.clear": {},
}


def test_the_client_events_are_those_of_openais_package() -> None:
    assert set(EVENTS) == set(CLIENT_EVENTS) == set(VALID)


def test_every_field_of_openais_types_is_known() -> None:
    """A valid message with all the fields that OpenAI's own client can send is taken without an error."""
    talk = Talk()
    full = {
        "type": "realtime",
        "output_modalities": ["audio"],
        "instructions": "Be brief.",
        "include": ["item.input_audio_transcription.logprobs"],
        "max_output_tokens": 4096,
        "model": "gpt-realtime-2.1",
        "parallel_tool_calls": True,
        "prompt": {"id": "pmpt_1", "version": "2", "variables": {"name": "Ann"}},
        "reasoning": {"effort": "low"},
        "tool_choice": {"type": "function", "name": "lookup"},
        "tools": [
            {
                "type": "function",
                "name": "lookup",
                "description": "Looks up.",
                "parameters": {"type": "object"},
            },
            {
                "type": "mcp",
                "server_label": "shop",
                "server_url": "https://shop.example/mcp",
                "allowed_tools": {"tool_names": ["find"], "read_only": True},
                "require_approval": {"never": {"tool_names": ["find"]}},
                "headers": {"x": "y"},
            },
        ],
        "tracing": {"workflow_name": "calls", "group_id": "g", "metadata": {"a": 1}},
        "truncation": {
            "type": "retention_ratio",
            "retention_ratio": 0.8,
            "token_limits": {"post_instructions": 5000},
        },
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "noise_reduction": {"type": "far_field", "strength": 0.5},
                "transcription": {
                    "model": "gpt-transcribe",
                    "languages": ["en"],
                    "keywords": ["Ltd"],
                    "prompt": "x",
                },
                "turn_detection": {"type": "semantic_vad", "eagerness": "high", "create_response": True},
            },
            "output": {"format": {"type": "audio/pcma"}, "voice": {"id": "voice_1"}, "speed": 1.25},
        },
    }
    CLIENT_EVENTS["session.update"].model_validate({"type": "session.update", "session": full}, strict=True)
    updated, *_listing = talk.send("session.update", session=full)
    assert updated["type"] == "session.updated"
    assert updated["session"]["audio"]["output"]["voice"] == {"id": "voice_1"}


@pytest.mark.parametrize("event_type", sorted(set(VALID) - {"output_audio_buffer.clear", "response.cancel"}))
def test_valid_events_are_accepted(event_type: str) -> None:
    talk = Talk(session=None)
    CLIENT_EVENTS[event_type].model_validate({"type": event_type, **VALID[event_type]}, strict=True)
    if event_type == "conversation.item.truncate":
        talk.send("response.create")
        talk.finish()
        known = talk.last("response.output_item.done")["item"]["id"]
        answers = talk.send(event_type, **{**VALID[event_type], "item_id": known})
    else:
        talk.send("conversation.item.create", item={**TEXT_ITEM, "id": "item_known"})
        if event_type == "input_audio_buffer.commit":
            talk.send(
                "session.update",
                session={"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcmu"}}}},
            )
            talk.send("input_audio_buffer.append", audio=AUDIO)
        answers = talk.send(event_type, **VALID[event_type])
    assert "error" not in [answer["type"] for answer in answers]


def test_clearing_the_output_is_for_webrtc_only() -> None:
    assert "WebRTC" in error(Talk().send("output_audio_buffer.clear"))["message"]


@pytest.mark.parametrize(
    ("event", "code", "param"),
    [
        ({"event_id": "e1"}, "missing_required_parameter", "type"),
        ({"type": "session.start"}, "invalid_value", "type"),
        ({"type": "response.create", "responce": {}}, "unknown_parameter", "responce"),
        (
            {"type": "response.create", "response": {"modalities": ["text"]}},
            "unknown_parameter",
            "response.modalities",
        ),
        ({"type": "session.update"}, "missing_required_parameter", "session"),
        (
            {"type": "session.update", "session": {"voice": "ash"}},
            "missing_required_parameter",
            "session.type",
        ),
        (
            {"type": "session.update", "session": {"type": "realtime", "voice": "ash"}},
            "unknown_parameter",
            "session.voice",
        ),
        (
            {"type": "session.update", "session": {"type": "realtime", "temperature": 0.8}},
            "unknown_parameter",
            "session.temperature",
        ),
        (
            {
                "type": "session.update",
                "session": {"type": "realtime", "audio": {"input": {"format": "pcm16"}}},
            },
            "invalid_type",
            "session.audio.input.format",
        ),
        (
            {
                "type": "session.update",
                "session": {"type": "realtime", "audio": {"input": {"format": {"type": "g711_ulaw"}}}},
            },
            "invalid_value",
            "session.audio.input.format.type",
        ),
        (
            {
                "type": "session.update",
                "session": {
                    "type": "realtime",
                    "audio": {"input": {"format": {"type": "audio/pcmu", "rate": 8000}}},
                },
            },
            "unknown_parameter",
            "session.audio.input.format.rate",
        ),
        (
            {
                "type": "session.update",
                "session": {
                    "type": "realtime",
                    "audio": {"input": {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 1000}}},
                },
            },
            "integer_below_min_value",
            "session.audio.input.turn_detection.idle_timeout_ms",
        ),
        (
            {"type": "session.update", "session": {"type": "realtime", "audio": {"output": {"speed": 2}}}},
            "decimal_above_max_value",
            "session.audio.output.speed",
        ),
        (
            {
                "type": "session.update",
                "session": {"type": "realtime", "tools": [{"type": "function", "function": {}}]},
            },
            "unknown_parameter",
            "session.tools[0].function",
        ),
        (
            {
                "type": "session.update",
                "session": {"type": "realtime", "output_modalities": ["audio", "text"]},
            },
            "invalid_value",
            "session.output_modalities",
        ),
        (
            {"type": "session.update", "session": {"type": "transcription"}},
            "invalid_parameter",
            "session.type",
        ),
        (
            {"type": "session.update", "session": {"type": "realtime", "model": "gpt-x"}},
            "invalid_value",
            "session.model",
        ),
        ({"type": "input_audio_buffer.append", "audio": "no base64!"}, "invalid_value", "audio"),
        ({"type": "input_audio_buffer.append", "audio": 7}, "invalid_type", "audio"),
        ({"type": "input_audio_buffer.commit"}, "input_audio_buffer_commit_empty", None),
        (
            {
                "type": "conversation.item.create",
                "item": {
                    "type": "message",
                    "role": "assistant",
                    "content": [{"type": "output_audio", "audio": ""}],
                },
            },
            "invalid_value",
            "item.content[0].type",
        ),
        (
            {
                "type": "conversation.item.create",
                "item": {"type": "function_call_output", "call_id": "c", "output": ""},
            },
            "invalid_tool_call_id",
            "item.call_id",
        ),
        (
            {"type": "conversation.item.create", "previous_item_id": "item_x", "item": TEXT_ITEM},
            "item_create_invalid_previous_item_id",
            "previous_item_id",
        ),
        ({"type": "conversation.item.delete", "item_id": "item_x"}, "item_delete_invalid_item_id", "item_id"),
        (
            {"type": "conversation.item.retrieve", "item_id": "item_x"},
            "item_retrieve_invalid_item_id",
            "item_id",
        ),
        (
            {
                "type": "conversation.item.truncate",
                "item_id": "item_x",
                "content_index": 0,
                "audio_end_ms": 9,
            },
            "item_truncate_invalid_item_id",
            "item_id",
        ),
        (
            {"type": "conversation.item.truncate", "item_id": "x"},
            "missing_required_parameter",
            "content_index",
        ),
        ({"type": "response.cancel"}, "response_cancel_not_active", None),
        (
            {"type": "response.create", "response": {"metadata": {"a": 1}}},
            "invalid_type",
            "response.metadata.a",
        ),
    ],
)
def test_a_wrong_message_is_refused_by_name(event: dict[str, Any], code: str, param: str | None) -> None:
    """With the field that is wrong and the client's own event id, and without a word on anything else."""
    talk = Talk()
    event_type = event.pop("type", None)
    fields = {"event_id": "mine", **event}
    answers = talk.send(event_type, **fields) if event_type else talk.send_frame('{"event_id": "mine"}')
    assert {**error(answers), "message": ""} == {
        "type": "invalid_request_error",
        "code": code,
        "message": "",
        "param": param,
        "event_id": "mine",
    }
    assert len(answers) == 1
    assert talk.closed is None


@pytest.mark.parametrize("frame", ["", "{", "[]", "null", '"text"', "[" * 100_000])
def test_what_is_no_event_at_all_is_refused(frame: str) -> None:
    assert error(Talk().send_frame(frame))["code"] == "invalid_event"


def _paths(
    model: type[BaseModel], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Each field of a type and of the types in it; with the names that say which variant it belongs to."""
    kinds: dict[str, Any] = {}
    for name in {"type", "role"} & set(model.model_fields):
        words = list(_words(model.model_fields[name].annotation))
        if len(words) == 1:
            kinds[name] = words[0]
    for name, field in model.model_fields.items():
        yield (*path, name), kinds
        for inner in _models(field.annotation):
            yield from _paths(inner, (*path, name))


def _words(annotation: Any) -> Iterator[str]:
    if typing.get_origin(annotation) is typing.Literal:
        yield from typing.get_args(annotation)
    else:
        for part in typing.get_args(annotation):
            yield from _words(part)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif typing.get_origin(annotation) is not list:  # what is in lists is tried in the full message above
        for part in typing.get_args(annotation):
            yield from _models(part)


@pytest.mark.parametrize(
    ("path", "kinds"),
    [
        pytest.param(path, kinds, id=".".join(path))
        for model in (RealtimeSessionCreateRequest, RealtimeResponseCreateParams)
        for path, kinds in _paths(
            model, ("session" if model is RealtimeSessionCreateRequest else "response",)
        )
        if "prompt" not in path[:-1]  # stored prompts are passed on unread
    ],
)
def test_no_field_of_openais_types_is_unknown(path: tuple[str, ...], kinds: dict[str, Any]) -> None:
    """A new version of the package with a new field shows here."""
    event: dict[str, Any] = {"type": "session.update" if path[0] == "session" else "response.create"}
    inner = event
    for name in path[:-1]:
        inner[name] = {"type": "realtime"} if name == "session" else {}
        inner = inner[name]
    inner |= {**kinds, path[-1]: kinds.get(path[-1], {"?": 0})}
    refused = Talk().send_frame(json.dumps(event))
    unknown = [
        e["error"]["param"]
        for e in refused
        if e["type"] == "error" and e["error"]["code"] == "unknown_parameter"
    ]
    assert ".".join(path) not in unknown


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(event_type=st.sampled_from(sorted(VALID)), data=st.data())
def test_no_value_anywhere_breaks_a_session(event_type: str, data: st.DataObject) -> None:
    """Any field of a valid event replaced by anything: an answer comes, and the session goes on."""
    talk = Talk()
    event: dict[str, Any] = copy.deepcopy({"type": event_type, **VALID[event_type]})
    inner = event
    while True:
        name = data.draw(st.sampled_from(sorted(inner)))
        if not isinstance(inner[name], dict) or data.draw(st.booleans()):
            break
        inner = inner[name]
    inner[name] = data.draw(JSON_VALUES)
    talk.send_frame(json.dumps(event))
    talk.wait(1)
    [updated] = talk.send("session.update", session={"type": "realtime"})
    assert updated["type"] == "session.updated"


def test_a_refused_update_changes_nothing() -> None:
    talk = Talk()
    before = talk.last("session.updated")["session"]
    talk.send("session.update", session={"type": "realtime", "instructions": "new", "speed": 1})
    talk.send("session.update", session={"type": "realtime"})
    assert talk.last("session.updated")["session"] == before


def test_an_update_keeps_what_it_does_not_name() -> None:
    talk = Talk()
    [updated] = talk.send(
        "session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": None}}}
    )
    session = updated["session"]
    assert session["audio"]["input"]["turn_detection"] is None
    assert session["audio"]["input"]["format"] == {"type": "audio/pcmu"}
    assert session["audio"]["output"]["voice"] == "marin"
    assert session["instructions"] == "We open at nine."


def test_voice_is_frozen_once_the_model_was_heard() -> None:
    talk = Talk()
    voice = {"type": "realtime", "audio": {"output": {"voice": "cedar"}}}
    assert talk.send("session.update", session=voice)[0]["type"] == "session.updated"
    talk.send("response.create")
    talk.finish()
    voice["audio"] = {"output": {"voice": "ash"}}
    assert error(talk.send("session.update", session=voice))["code"] == "cannot_update_voice"
