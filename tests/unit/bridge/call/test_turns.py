"""Waiting times: from the caller's last word to the first agent audio at Twilio."""

from __future__ import annotations

from bridge.call.agent import SemanticVad
from bridge.call.turns import percentile
from tests.unit.bridge.call.story import Story


def test_a_response_runs_from_the_callers_last_word_to_the_first_audio_written():
    story = Story().live()
    story.caller_speaks("item_u", 1000, silence_ms=500)
    story.later(0.7)
    story.agent_begins("item_a")
    story.delta("item_a", 400)
    [event] = story.events("agent.started_speaking")
    assert event.data == {"response_ms": 1200, "vad_ms": 500, "model_ms": 700, "bridge_ms": 0.0}
    story.agent_finishes("item_a", "Yes.")
    latency = story.totals().latency
    assert (latency["turns"], latency["response_p50_ms"], latency["vad_ms"]) == (1, 1200, 500)
    assert "estimated" not in latency


def test_semantic_vad_does_not_say_how_long_it_waited():
    story = Story(turn_detection=SemanticVad()).live()
    story.caller_speaks("item_u", 1000, silence_ms=0)
    story.later(0.7)
    story.agent_begins("item_a")
    story.delta("item_a", 400)
    assert story.events("agent.started_speaking")[0].data["estimated"] is True
    story.agent_finishes("item_a", "Yes.")
    assert story.totals().latency["estimated"] is True


def test_the_greeting_is_no_turn():
    story = Story(greeting="Hello.").live()
    story.later(0.4)
    story.agent_begins("item_a", request=story.request())
    story.delta("item_a", 400)
    latency = story.totals().latency
    assert (latency["turns"], latency["answer_to_first_audio_ms"]) == (0, 400)


def test_usage_adds_up_in_the_contracts_words():
    story = Story().live()
    usage = {
        "input_token_details": {
            "text_tokens": 119,
            "audio_tokens": 13,
            "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 3},
        },
        "output_token_details": {"text_tokens": 30, "audio_tokens": 91},
    }
    for response_id in ("resp_1", "resp_2"):
        story.model("response.created", response={"id": response_id})
        story.response_done(response_id, usage=usage)
    story.model("response.created", response={"id": "resp_3"})
    story.response_done("resp_3", usage={"total_tokens": 0})
    story.model("response.created", response={"id": "resp_4"})
    story.response_done("resp_4", usage=None)
    assert story.totals().usage == {
        "input_text": 238,
        "input_audio": 26,
        "input_cached_text": 128,
        "input_cached_audio": 6,
        "output_text": 60,
        "output_audio": 182,
    }


def test_percentiles_are_values_that_occurred():
    assert percentile([5], 0.5) == 5
    assert percentile([1, 2, 3, 4], 0.5) == 2
    assert percentile([float(n) for n in range(1, 101)], 0.95) == 95
