"""The order of events in a conversation, and what may and may not be done in it."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.audio import mulaw, watermark
from simulator.model.reply import CallFunction, Say
from simulator.model.script import Asked, Heard, Returned, Script, Silence, Step
from simulator.model.settings import ModelBehaviour, ModelTiming
from tests.unit.simulator.talk import PHONE, Talk, error, types, voice

SPOKEN = [
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "(deltas)",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "response.output_item.done",
    "conversation.item.done",
]
DONE = ["response.done", "rate_limits.updated"]
TURN = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    "response.created",
]
LONG = "This is a long answer that takes its time, so that somebody has a chance to interrupt it midway."


def quiet() -> dict[str, object]:
    """The phone's session without transcription."""
    return {**PHONE, "audio": {**PHONE["audio"], "input": {**PHONE["audio"]["input"], "transcription": None}}}


def test_a_session_shows_every_key_from_the_start() -> None:
    talk = Talk(session=None)
    [created] = talk.events
    assert created["type"] == "session.created"
    assert set(created["session"]) == {
        "type", "object", "id", "model", "output_modalities", "instructions", "tools", "tool_choice",
        "max_output_tokens", "tracing", "truncation", "prompt", "expires_at", "audio", "include",
    }  # fmt: skip
    assert created["session"]["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 200
    assert created["session"]["expires_at"] == 1_795_000_000 + 3600


def test_a_greeting_comes_in_the_documented_order_and_time() -> None:
    talk = Talk()
    assert types(talk.send("response.create", response={"instructions": "Say: Hello!"})) == [
        "response.created"
    ]
    assert talk.wait(0.69) == []
    greeting = talk.finish()
    assert types(greeting) == [*SPOKEN, *DONE]
    assert talk.last("response.output_audio_transcript.done")["transcript"] == "Hello!"
    assert greeting[0]["item"]["content"] == []


def test_a_spoken_turn_comes_in_the_documented_order() -> None:
    talk = Talk(Script(Step(Heard("when do you open"), Say("At nine."))), session=quiet())
    assert types(talk.say("When do you open?")) == TURN
    assert types(talk.finish()) == [*SPOKEN, *DONE]
    user = talk.last("input_audio_buffer.committed")["item_id"]
    assert talk.last("input_audio_buffer.speech_started")["item_id"] == user
    agent = talk.last("response.output_item.done")["item"]
    assert talk.last("conversation.item.done")["previous_item_id"] == user
    assert agent["content"] == [{"type": "output_audio", "transcript": "At nine."}]
    assert talk.last("response.done")["response"]["output"] == [agent]


def test_the_order_of_the_two_item_done_events_can_be_turned() -> None:
    talk = Talk(behaviour=ModelBehaviour(item_done_first=True))
    talk.send("response.create")
    order = types(talk.finish())
    assert order.index("conversation.item.done") < order.index("response.output_item.done")


def test_the_audio_clock_counts_appended_audio_only() -> None:
    """Positions are in the audio sent, whatever the time; the end includes the silence waited for."""
    talk = Talk()
    talk.silence(1000)
    talk.wait(30)
    talk.say("Hello")
    assert talk.last("input_audio_buffer.speech_started")["audio_start_ms"] == 700
    assert talk.last("input_audio_buffer.speech_stopped")["audio_end_ms"] == 1000 + 300 + 500


def test_speech_comes_ragged_ahead_of_time_and_whole() -> None:
    """Faster than it plays, in pieces that are no whole frames; together they are the speech, bit for bit."""
    talk = Talk(timing=ModelTiming(speed=4.0))
    talk.send("response.create", response={"instructions": f"Say: {LONG}"})
    before = talk.now
    talk.finish()
    deltas = talk.all("response.output_audio.delta")
    sizes = [len(base64.b64decode(delta["delta"])) for delta in deltas]
    assert any(size % 160 for size in sizes)
    item_id = deltas[0]["item_id"]
    assert talk.audio_of(item_id) == watermark.embed(voice(LONG), LONG)
    took = talk.event_times[talk.events.index(talk.last("response.output_audio.done"))] - before - 0.7
    assert took == pytest.approx(talk.heard_ms(item_id) / 1000 / 4, rel=0.01)
    words = "".join(delta["delta"] for delta in talk.all("response.output_audio_transcript.delta"))
    assert words == talk.last("response.output_audio_transcript.done")["transcript"] == LONG


def test_a_phone_can_read_what_the_agent_said() -> None:
    talk = Talk()
    talk.send("response.create", response={"instructions": "Say: Good morning!"})
    talk.finish()
    assert (
        watermark.read(talk.audio_of(talk.last("response.output_audio.done")["item_id"])) == "Good morning!"
    )


def test_speech_interrupts_with_deltas_still_in_flight() -> None:
    talk = Talk(Script(Step(Asked(), Say(LONG)), Step(Heard("Stop!"), Say("Yes?"))), session=quiet())
    talk.send("response.create")
    talk.wait(0.9)
    before = len(talk.events)
    talk.hear(watermark.embed(voice("Stop!"), "Stop!")[:2400])
    interrupted = talk.events[before:]
    started = types(interrupted).index("input_audio_buffer.speech_started")
    after = interrupted[[e["type"] for e in interrupted].index("input_audio_buffer.speech_started") :]
    assert types(interrupted)[started:] == [
        "input_audio_buffer.speech_started",
        "(deltas)",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        *DONE,
    ]
    assert sum(event["type"] == "response.output_audio.delta" for event in after) == 2
    done = talk.last("response.done")["response"]
    assert (done["status"], done["status_details"]) == (
        "cancelled",
        {"type": "cancelled", "reason": "turn_detected"},
    )
    assert done["output"][0]["status"] == "incomplete"
    assert done["output"][0]["content"][0]["transcript"] != LONG


def test_speech_does_not_interrupt_when_told_not_to() -> None:
    session = quiet()
    detection = {"type": "server_vad", "silence_duration_ms": 500, "interrupt_response": False}
    session["audio"]["input"]["turn_detection"] = detection  # type: ignore[index]
    talk = Talk(Script(Step(Asked(), Say(LONG))), session=session)
    talk.send("response.create")
    talk.wait(0.8)
    answers = talk.say("Hm.")
    assert error(answers)["code"] == "conversation_already_has_active_response"
    talk.finish()
    assert talk.last("response.done")["response"]["status"] == "completed"


def test_no_response_when_the_client_wants_to_create_them() -> None:
    session = quiet()
    detection = {"type": "server_vad", "silence_duration_ms": 500, "create_response": False}
    session["audio"]["input"]["turn_detection"] = detection  # type: ignore[index]
    talk = Talk(Script(Step(Asked(), Say("Hello."))), session=session)
    assert types(talk.say("Hello?")) == TURN[:-1]
    assert talk.finish() == []


def test_a_client_that_detects_turns_itself_commits_and_creates() -> None:
    session = quiet()
    session["audio"]["input"]["turn_detection"] = None  # type: ignore[index]
    talk = Talk(session=session)
    assert talk.say("When do you open?") == []
    assert types(talk.send("input_audio_buffer.commit")) == TURN[2:5]
    talk.send("response.create")
    talk.finish()
    assert talk.last("response.output_audio_transcript.done")["transcript"] == "We open at nine."


def test_a_second_response_is_an_error_and_nothing_else() -> None:
    talk = Talk()
    running = talk.send("response.create")[0]["response"]["id"]
    refused = talk.send("response.create", event_id="rc_2")
    assert error(refused)["code"] == "conversation_already_has_active_response"
    assert error(refused)["event_id"] == "rc_2"
    assert running in error(refused)["message"]
    assert types(talk.finish())[-2:] == DONE
    assert len(talk.all("response.done")) == 1


def test_the_client_can_cancel() -> None:
    talk = Talk()
    talk.send("response.create")
    cancelled = talk.send("response.cancel")
    assert types(cancelled) == DONE
    assert cancelled[0]["response"]["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert cancelled[0]["response"]["output"] == []
    assert error(talk.send("response.cancel"))["code"] == "response_cancel_not_active"


@settings(max_examples=30, deadline=None)
@given(heard=st.integers(0, 8000), waited=st.floats(0.7, 3.0))
def test_truncation_is_allowed_up_to_what_was_produced(heard: int, waited: float) -> None:
    talk = Talk(Script(Step(Asked(), Say(LONG))))
    talk.send("response.create")
    talk.wait(waited)
    item_id = talk.last("response.output_item.added")["item"]["id"]
    produced = talk.heard_ms(item_id)
    talk.send("response.cancel")
    produced = talk.heard_ms(item_id)
    answers = talk.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=heard)
    if heard <= produced:
        assert types(answers) == ["conversation.item.truncated"]
        item = talk.send("conversation.item.retrieve", item_id=item_id)[0]["item"]
        assert len(base64.b64decode(item["content"][0]["audio"])) == heard * 8
        assert item["content"][0]["transcript"] is None
    else:
        assert error(answers)["message"] == f"Audio content of {produced}ms is already shorter than {heard}ms"
        assert error(answers)["code"] == "invalid_value"
    assert talk.session.record.truncations[0].produced_ms == produced


def test_what_has_no_agents_audio_cannot_be_truncated() -> None:
    talk = Talk(Script(Step(Heard("Hello"), Say("Hi."))))
    talk.say("Hello")
    user = talk.last("input_audio_buffer.committed")["item_id"]
    refused = error(talk.send("conversation.item.truncate", item_id=user, content_index=0, audio_end_ms=10))
    assert refused["code"] == "unsupported_content_type"
    assert refused["message"] == "Only model output audio messages can be truncated"


def test_items_chain_by_place() -> None:
    talk = Talk()

    def text(item_id: str) -> dict[str, object]:
        return {
            "id": item_id,
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": item_id}],
        }

    first = talk.send("conversation.item.create", item=text("one"))
    second = talk.send("conversation.item.create", item=text("two"))
    between = talk.send("conversation.item.create", item=text("between"), previous_item_id="one")
    root = talk.send("conversation.item.create", item=text("zero"), previous_item_id="root")
    assert [events[0]["previous_item_id"] for events in (first, second, between, root)] == [
        None,
        "one",
        "one",
        None,
    ]
    assert types(first) == ["conversation.item.added", "conversation.item.done"]
    assert (
        error(talk.send("conversation.item.create", item=text("one")))["code"]
        == "item_create_duplicate_item_id"
    )
    assert types(talk.send("conversation.item.delete", item_id="one")) == ["conversation.item.deleted"]
    assert (
        error(talk.send("conversation.item.retrieve", item_id="one"))["code"]
        == "item_retrieve_invalid_item_id"
    )


def test_a_function_call_after_speech_and_its_output() -> None:
    talk = Talk(
        Script(
            Step(Heard("Where is order 7?"), Say("One moment."), CallFunction("lookup", {"id": 7})),
            Step(Returned("lookup", "shipped"), Say("It is on its way.")),
        ),
        session=quiet(),
    )
    talk.say("Where is order 7?")
    assert types(talk.finish()) == [
        *SPOKEN,
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "conversation.item.done",
        *DONE,
    ]
    called = talk.last("response.function_call_arguments.done")
    assert (called["name"], json.loads(called["arguments"]), called["output_index"]) == (
        "lookup",
        {"id": 7},
        1,
    )
    output = {"type": "function_call_output", "call_id": called["call_id"], "output": "shipped today"}
    assert types(talk.send("conversation.item.create", item=output)) == TURN[3:5]
    assert talk.finish() == []  # the server does not go on by itself
    talk.send("response.create")
    talk.finish()
    assert talk.last("response.output_audio_transcript.done")["transcript"] == "It is on its way."
    assert talk.session.leftovers() == []


def test_two_function_calls_and_two_messages_in_one_response() -> None:
    mind = Script(
        Step(Asked(), CallFunction("a", {"x": 1}), CallFunction("b", "{broken")),
        Step(Asked(), Say("First."), Say("Then.")),
    )
    talk = Talk(mind)
    talk.send("response.create")
    talk.finish()
    calls = talk.all("response.function_call_arguments.done")
    assert [(call["name"], call["arguments"], call["output_index"]) for call in calls] == [
        ("a", '{"x": 1}', 0),
        ("b", "{broken", 1),
    ]
    assert len({call["call_id"] for call in calls}) == 2
    talk.send("response.create")
    talk.finish()
    outputs = talk.last("response.done")["response"]["output"]
    assert [item["content"][0]["transcript"] for item in outputs] == ["First.", "Then."]
    assert outputs[0]["id"] != outputs[1]["id"]
    assert mind.problems == []


def test_an_out_of_band_response_runs_beside_the_conversation() -> None:
    talk = Talk()
    talk.send("response.create")
    params = {
        "conversation": "none",
        "metadata": {"purpose": "summary"},
        "output_modalities": ["text"],
        "input": [],
    }
    [created] = talk.send("response.create", response={**params, "instructions": "Say: All well."})
    assert created["response"]["conversation_id"] is None
    aside = created["response"]["id"]
    talk.finish()
    done = next(d["response"] for d in talk.all("response.done") if d["response"]["id"] == aside)
    assert done["metadata"] == {"purpose": "summary"}
    assert done["output"][0]["content"] == [{"type": "output_text", "text": "All well."}]
    in_conversation = {event["item"]["id"] for event in talk.all("conversation.item.added")}
    assert done["output"][0]["id"] not in in_conversation
    assert talk.last("response.output_text.done")["text"] == "All well."


def test_usage_counts_sound_and_text_and_what_was_cached() -> None:
    talk = Talk(session={**quiet(), "instructions": "We open at nine. " * 40})
    talk.say("When do you open?")
    talk.finish()
    first = talk.last("response.done")["response"]["usage"]
    committed_ms = 17 * 60 + 500
    assert first["input_token_details"]["audio_tokens"] == -(-committed_ms // 100)
    assert first["output_token_details"]["audio_tokens"] == -(-len("We open at nine.") * 60 // 50)
    assert first["input_token_details"]["cached_tokens"] == 0
    talk.say("When do you open?")
    talk.finish()
    second = talk.last("response.done")["response"]["usage"]
    assert second["input_token_details"]["cached_tokens_details"]["text_tokens"] == 170 // 64 * 64
    assert second["input_tokens"] > first["input_tokens"]
    for usage in (first, second):
        details = usage["input_token_details"]
        assert (
            details["text_tokens"] + details["audio_tokens"] + details["image_tokens"]
            == usage["input_tokens"]
        )
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


def test_max_output_tokens_cut_the_answer_short() -> None:
    talk = Talk(Script(Step(Asked(), Say(LONG))))
    talk.send("response.create", response={"max_output_tokens": 20})
    talk.finish()
    done = talk.last("response.done")["response"]
    assert (done["status"], done["status_details"]["reason"]) == ("incomplete", "max_output_tokens")
    assert talk.heard_ms(done["output"][0]["id"]) == 1000


@pytest.mark.parametrize(("kind", "bytes_per_ms"), [("audio/pcm", 48), ("audio/pcma", 8)])
def test_other_formats_carry_speech_both_ways(kind: str, bytes_per_ms: int) -> None:
    sound = {"type": kind}
    session = {"type": "realtime", "audio": {"input": {"format": sound}, "output": {"format": sound}}}
    talk = Talk(session=session, recognised="Hello?")
    talk.send("response.create", response={"instructions": "Say: Hi."})
    talk.finish()
    spoken = b"".join(base64.b64decode(delta["delta"]) for delta in talk.all("response.output_audio.delta"))
    assert len(spoken) == 3 * 60 * bytes_per_ms
    for start in range(0, len(spoken), 1001):  # the agent's own voice, back as the caller's
        talk.send("input_audio_buffer.append", audio=base64.b64encode(spoken[start : start + 1001]).decode())
    assert talk.session.record.appended_ms == 180
    assert talk.last("input_audio_buffer.speech_started")["audio_start_ms"] == 0


def test_silence_after_the_answer_is_noticed() -> None:
    """`idle_timeout_ms` counts from when the answer has been played, not from when it was sent."""
    session = quiet()
    session["audio"]["input"]["turn_detection"] = {"type": "server_vad", "idle_timeout_ms": 5000}  # type: ignore[index]
    talk = Talk(Script(Step(Asked(), Say("Hello.")), Step(Silence(), Say("Still there?"))), session=session)
    talk.send("response.create")
    talk.wait(0.7 + 0.36 / 4)
    done_at = talk.event_times[talk.events.index(talk.last("response.done"))]
    talk.silence(4000)
    assert "input_audio_buffer.timeout_triggered" not in types(talk.events)
    events = talk.silence(1500)
    assert types(events)[:5] == [
        "input_audio_buffer.timeout_triggered",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]
    fired_at = talk.event_times[talk.events.index(events[0])]
    assert fired_at - done_at == pytest.approx(0.36 + 5.0, abs=0.021)
    assert events[0]["audio_end_ms"] > events[0]["audio_start_ms"]
    talk.finish()
    assert talk.session.leftovers() == []


def test_cleared_input_is_forgotten() -> None:
    talk = Talk(session=quiet())
    talk.hear(voice("Hello") + mulaw.silence(100))
    assert types(talk.send("input_audio_buffer.clear")) == ["input_audio_buffer.cleared"]
    assert error(talk.send("input_audio_buffer.commit"))["code"] == "input_audio_buffer_commit_empty"
    assert talk.silence(1000) == []
