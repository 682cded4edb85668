"""How long a caller hears nothing is counted from what they last heard, whatever goes on behind it."""

from __future__ import annotations

from bridge.call.commands import OpenModel
from bridge.call.events import ModelClosed, StreamEnded, StreamStarted
from tests.unit.bridge.call.story import Story, audio


def lines_played(story: Story) -> int:
    return len(story.events("agent.line_played"))


def waiting_caller() -> Story:
    story = Story().live()
    story.caller_speaks("item_u")
    story.model(
        "conversation.item.input_audio_transcription.completed", item_id="item_u", transcript="Hello?"
    )
    return story


def test_asking_the_model_again_does_not_lengthen_the_silence():
    story = waiting_caller()
    for played in (1, 2):
        story.later(1.55)
        assert lines_played(story) == played
        story.marks_return()
    story.later(1.0)
    assert story.sent("response.create"), "the model was asked once more meanwhile"
    assert lines_played(story) == 2
    story.later(0.55)
    assert lines_played(story) == 3


def test_a_response_that_fails_unheard_does_not_lengthen_the_silence():
    story = waiting_caller()
    story.model("response.created", response={"id": "resp_1"})
    story.later(1.0)
    story.response_done(status="failed")
    story.later(0.55)
    assert lines_played(story) == 1


def test_audio_in_which_there_is_nothing_counts_as_silence():
    story = waiting_caller()
    story.model("response.created", response={"id": "resp_1"})
    story.later(1.4)
    quiet = audio(1600, byte=0xFF)
    story.model("response.output_audio.delta", response_id="resp_1", item_id="item_1", delta=quiet)
    story.model("response.output_audio_transcript.delta", item_id="item_1", delta="a ")
    assert story.sent("response.cancel")
    story.later(0.15)
    assert lines_played(story) == 1


def test_who_was_cut_by_a_dead_stream_hears_something_as_soon_as_there_is_another():
    story = Story().live()
    story.agent_begins("item_1")
    story.delta("item_1", 4000)
    story.marks_before_audio_return()
    story.caller_audio(1000)
    story.happens(StreamEnded(stopped=False, silent=True))
    story.later(0.4)
    story.stream_ms = 0
    story.happens(StreamStarted("MZ2"))
    story.later(0.01)
    assert lines_played(story) == 1


def test_who_was_cut_for_a_moment_hears_the_agent_go_on_and_nothing_else():
    story = Story().live()
    story.agent_begins("item_1")
    story.delta("item_1", 4000)
    story.marks_before_audio_return()
    story.caller_audio(1000)
    story.happens(StreamEnded(stopped=False))
    story.later(0.4)
    story.stream_ms = 0
    story.happens(StreamStarted("MZ2"))
    story.later(0.9)
    assert lines_played(story) == 0


def test_who_was_sent_silence_and_then_nothing_is_not_left_alone():
    """The request that follows the cut may be swallowed too."""
    story = waiting_caller()
    story.model("response.created", response={"id": "resp_1"})
    quiet = audio(1600, byte=0xFF)
    story.model("response.output_audio.delta", response_id="resp_1", item_id="item_1", delta=quiet)
    story.model("response.output_audio_transcript.delta", item_id="item_1", delta="a ")
    story.response_done(status="cancelled")
    assert len(story.sent("response.create")) == 1
    story.later(1.6)
    assert lines_played(story) == 1
    story.marks_return()
    story.later(3)
    assert OpenModel(2, 2.0) in story.commands


def asked_to_speak(story: Story) -> list[str]:
    return [request["response"].get("instructions", "") for request in story.sent("response.create")]


def after_a_dead_stream() -> Story:
    """Whatever the caller said meanwhile, nobody has heard it."""
    story = Story().live()
    story.agent_says("item_1", "How can I help you?", 500)
    story.marks_return()
    story.happens(StreamEnded(stopped=False, silent=True))
    story.later(0.5)
    story.stream_ms = 0
    story.happens(StreamStarted("MZ2"))
    return story


def test_after_a_break_in_which_the_caller_may_have_spoken_the_agent_speaks_up():
    story = after_a_dead_stream()
    story.later(1.9)
    assert asked_to_speak(story) == []
    story.later(0.2)
    [asked] = asked_to_speak(story)
    assert "say it once more" in asked


def test_who_says_it_again_by_themselves_is_not_asked_to():
    story = after_a_dead_stream()
    story.model("input_audio_buffer.speech_started", item_id="item_u", audio_start_ms=0)
    story.later(4)
    assert asked_to_speak(story) == []


def test_a_short_break_is_passed_over():
    story = Story().live()
    story.happens(StreamEnded(stopped=False))
    story.later(0.5)
    story.stream_ms = 0
    story.happens(StreamStarted("MZ2"))
    story.later(4)
    assert asked_to_speak(story) == []


def test_a_session_that_has_only_just_come_is_asked_once():
    """Asked twice it would answer twice, and call a tool twice."""
    story = waiting_caller()
    story.later(3.5)
    story.happens(ModelClosed(1006, "", 1))
    story.later(1.0)
    story.said.clear()
    story.opened(2)
    story.configured()
    story.later(0.1)
    assert len(story.sent("response.create")) == 1
    assert not story.events("model.error")
