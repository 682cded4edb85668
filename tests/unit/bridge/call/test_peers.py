"""Nothing that a peer sends may raise out of the core."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.call.events import DtmfReceived, MarkReturned
from bridge.engines.openai_realtime.server_events import ServerEvent
from bridge.wire import twilio
from tests.unit.bridge.call.story import Story

KINDS = [str(event.__struct_config__.tag) for event in ServerEvent.__args__] + ["brand.new", ""]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**15), 10**15),
    st.text(max_size=12),
    st.lists(st.none(), max_size=2),
)
FIELDS = st.dictionaries(
    st.sampled_from(
        ["item_id", "response_id", "delta", "item", "response", "session", "error", "audio_end_ms", "call_id"]
    ),
    st.one_of(VALUES, st.dictionaries(st.sampled_from(["id", "type", "role", "status", "code"]), VALUES)),
)


@settings(max_examples=500, deadline=None)
@given(messages=st.lists(st.tuples(st.sampled_from(KINDS), FIELDS), max_size=12))
def test_events_of_the_model_in_any_order_and_shape(messages: list[tuple[str, dict[str, Any]]]):
    story = Story(greeting="Hello.").live()
    for kind, fields in messages:
        story.model(kind, **fields)
        story.later(0.1)


@settings(max_examples=300, deadline=None)
@given(text=st.one_of(st.text(max_size=200), st.binary(max_size=80).map(lambda raw: raw.decode("latin-1"))))
def test_garbage_from_either_side(text: str):
    story = Story().live()
    story.raw_model(text)
    story.call.caller_audio(text)
    twilio.decode(text)


@settings(max_examples=300, deadline=None)
@given(
    payload=st.one_of(st.text(max_size=40), st.binary(max_size=40).map(lambda raw: raw.hex())),
    timestamp=st.one_of(st.text(max_size=8), st.integers()),
    mark=st.text(max_size=8),
)
def test_media_and_marks_with_any_content(payload: str, timestamp: object, mark: str):
    story = Story().live()
    story.delta("item_1", 100)
    story.call.caller_audio(
        json.dumps({"event": "media", "media": {"payload": payload, "timestamp": timestamp}})
    )
    story.happens(MarkReturned(mark))
    story.happens(DtmfReceived(mark))


def test_unknown_events_are_counted():
    story = Story().live()
    story.model("response.something_new", whatever=1)
    story.raw_model("no json at all")
    story.model("rate_limits.updated", rate_limits=[])
    assert story.engines[-1].unknown_events == 2


def test_a_tool_that_does_not_exist_is_answered():
    story = Story().live()
    story.model("response.created", response={"id": "resp_1"})
    story.model(
        "response.function_call_arguments.done", item_id="i", call_id="call_1", name="fly", arguments="{"
    )
    [output] = story.sent("conversation.item.create")
    assert "no tool named 'fly'" in output["item"]["output"]
    story.response_done()
    assert story.sent("response.create")
