"""The caller interrupts: silence at once, and the model remembers only what reached the phone."""

from __future__ import annotations

from typing import Any

from bridge.call.agent import ServerVad
from bridge.call.events import MarkReturned
from tests.unit.bridge.call.story import Story


def speaking(ms: int = 2000, **agent: Any) -> Story:
    """The agent's answer is with Twilio, and has just begun to play."""
    story = Story(**agent).live()
    story.caller_audio(1000)
    story.agent_begins("item_7")
    story.delta("item_7", ms)
    story.happens(MarkReturned("1"))
    return story


def test_the_buffer_is_cleared_before_anything_else():
    story = speaking()
    out = story.model("input_audio_buffer.speech_started", item_id="item_u", audio_start_ms=900)
    assert [message["event"] for message in story.shown[-2:]] == ["clear", "mark"]
    assert "clear" in getattr(out[0], "text", "")


def test_the_item_is_truncated_at_what_the_caller_heard_until_the_clear_took_effect():
    """Not at what was sent, nor at when we noticed: the words in between were heard as well."""
    story = speaking()
    story.caller_audio(1240)
    story.model("input_audio_buffer.speech_started", item_id="item_u", audio_start_ms=2200)
    assert not story.sent("conversation.item.truncate"), "Twilio has not said how far it came"
    story.caller_audio(100)
    story.happens(MarkReturned("2"))
    story.happens(MarkReturned("3"))
    [truncate] = story.sent("conversation.item.truncate")
    assert (truncate["item_id"], truncate["content_index"]) == ("item_7", 0)
    assert truncate["audio_end_ms"] == 1340


def test_marks_that_clear_returns_are_not_taken_for_heard():
    story = Story().live()
    story.caller_audio(1000)
    story.agent_begins("item_7")
    for _ in range(4):
        story.delta("item_7", 500)
    story.happens(MarkReturned("1"))
    story.caller_audio(600)
    story.happens(MarkReturned("2"))
    story.model("input_audio_buffer.speech_started", item_id="item_u", audio_start_ms=1400)
    story.caller_audio(100)
    for name in ("3", "4", "5", "6"):
        story.happens(MarkReturned(name))
    assert story.sent("conversation.item.truncate")[0]["audio_end_ms"] == 600


def test_never_more_is_truncated_to_than_was_received():
    story = speaking(ms=300)
    story.caller_audio(5000)
    story.model("input_audio_buffer.speech_started", item_id="item_u", audio_start_ms=1000)
    story.happens(MarkReturned("2"))
    story.happens(MarkReturned("3"))
    assert not story.sent("conversation.item.truncate"), "all of it was heard"
    assert not story.sent("conversation.item.delete")


def test_an_item_of_which_nothing_was_heard_is_deleted():
    story = Story().live()
    story.agent_begins("item_7")
    story.delta("item_7", 800)
    story.model("input_audio_buffer.speech_started", item_id="item_u", audio_start_ms=0)
    for name in ("1", "2", "3"):
        story.happens(MarkReturned(name))
    assert [message["item_id"] for message in story.sent("conversation.item.delete")] == ["item_7"]
    assert not story.sent("conversation.item.truncate")


def test_of_two_items_the_one_being_played_is_truncated_and_the_next_deleted():
    """Reasoning models say a preamble and then the answer, in one response."""
    story = speaking(ms=1000)
    story.model("response.output_audio.done", response_id="resp_1", item_id="item_7")
    story.model(
        "conversation.item.added",
        previous_item_id="item_7",
        item={"id": "item_8", "type": "message", "role": "assistant"},
    )
    story.delta("item_8", 1000)
    story.caller_audio(400)
    story.model("input_audio_buffer.speech_started", item_id="item_u", audio_start_ms=1300)
    for name in ("2", "3", "4"):
        story.happens(MarkReturned(name))
    assert story.sent("conversation.item.truncate")[0]["audio_end_ms"] == 400
    assert [message["item_id"] for message in story.sent("conversation.item.delete")] == ["item_8"]


def test_late_audio_of_the_interrupted_answer_is_dropped_and_the_next_answer_is_not():
    story = speaking()
    story.model("input_audio_buffer.speech_started", item_id="item_u", audio_start_ms=900)
    sent = len(story.shown)
    story.delta("item_7", 400)
    assert len(story.shown) == sent
    story.happens(MarkReturned("2"))
    story.happens(MarkReturned("3"))
    story.delta("item_7", 400)
    assert len(story.shown) == sent
    story.response_done(status="cancelled", status_details={"type": "cancelled", "reason": "turn_detected"})
    story.agent_begins("item_9", "resp_2")
    story.delta("item_9", 400, "resp_2")
    assert [message["event"] for message in story.shown[sent:]] == ["mark", "media", "mark"]


def test_an_item_that_the_cancelled_response_still_begins_is_deleted():
    story = speaking()
    story.model("input_audio_buffer.speech_started", item_id="item_u", audio_start_ms=900)
    item = {"id": "item_8", "type": "message", "role": "assistant"}
    story.model("response.output_item.added", response_id="resp_1", item=item)
    assert [message["item_id"] for message in story.sent("conversation.item.delete")] == ["item_8"]


def test_a_twilio_that_never_answers_the_clear_does_not_keep_the_model_waiting():
    story = speaking()
    story.caller_audio(500)
    story.model("input_audio_buffer.speech_started", item_id="item_u", audio_start_ms=900)
    story.later(1.1)
    assert story.sent("conversation.item.truncate")[0]["audio_end_ms"] == 500


def test_a_second_interruption_before_the_first_clear_took_effect():
    story = speaking()
    story.caller_audio(500)
    story.model("input_audio_buffer.speech_started", item_id="item_u", audio_start_ms=1400)
    story.response_done(status="cancelled")
    story.agent_begins("item_9", "resp_2")
    story.delta("item_9", 700, "resp_2")
    story.model("input_audio_buffer.speech_started", item_id="item_v", audio_start_ms=1500)
    for message in [m for m in story.shown if m["event"] == "mark"][1:]:
        story.happens(MarkReturned(message["mark"]["name"]))
    [truncate] = story.sent("conversation.item.truncate")
    assert (truncate["item_id"], truncate["audio_end_ms"]) == ("item_7", 500)
    assert [message["item_id"] for message in story.sent("conversation.item.delete")] == ["item_9"]


def test_an_agent_that_is_not_to_be_interrupted_keeps_talking():
    story = speaking(turn_detection=ServerVad(interrupt_response=False))
    story.model("input_audio_buffer.speech_started", item_id="item_u", audio_start_ms=900)
    assert all(message["event"] != "clear" for message in story.shown)


def test_nothing_is_cleared_when_nothing_plays():
    story = Story().live()
    story.model("input_audio_buffer.speech_started", item_id="item_u", audio_start_ms=0)
    assert story.shown == []


def test_the_transcript_holds_only_what_was_heard():
    story = speaking(ms=4000)
    story.agent_finishes("item_7", "We are open from nine to five, every day but Sunday, all year.")
    story.caller_audio(2000)
    story.model("input_audio_buffer.speech_started", item_id="item_u", audio_start_ms=2900)
    story.happens(MarkReturned("2"))
    story.happens(MarkReturned("3"))
    assert story.lines() == [("agent", "We are open from nine to five,")]
    [line] = story.events("transcript.line")
    assert line.data["interrupted"] is True
    assert line.data["end_ms"] - line.data["start_ms"] == 2000
