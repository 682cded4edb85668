"""Who said what, in the order it was said, whenever it became known."""

from __future__ import annotations

from bridge.call.commands import SaveLine
from bridge.call.events import StreamEnded
from bridge.call.transcript import Transcript, heard_words
from tests.unit.bridge.call.story import Story


def heard(story: Story, item_id: str, text: str) -> None:
    story.model("conversation.item.input_audio_transcription.completed", item_id=item_id, transcript=text)


def placed(story: Story, item_id: str, previous: str | None, role: str) -> None:
    item = {"id": item_id, "type": "message", "role": role}
    story.model("conversation.item.added", previous_item_id=previous, item=item)


def test_the_callers_line_comes_before_the_answer_although_it_is_known_after_it():
    story = Story().live()
    story.caller_speaks("item_u")
    placed(story, "item_u", None, "user")
    story.agent_begins("item_a")
    placed(story, "item_a", "item_u", "assistant")
    story.delta("item_a", 400)
    story.agent_finishes("item_a", "At nine.")
    story.marks_return()
    heard(story, "item_u", "When do you open?")
    assert story.lines() == [("caller", "When do you open?"), ("agent", "At nine.")]


def test_an_item_that_turns_up_late_takes_its_place_in_the_chain():
    story = Story().live()
    placed(story, "item_1", None, "assistant")
    placed(story, "item_3", "item_1", "assistant")
    for item_id, text in (("item_1", "One."), ("item_3", "Three.")):
        story.delta(item_id, 200)
        story.model("response.output_audio.done", response_id="resp_1", item_id=item_id)
        story.model("response.output_audio_transcript.done", item_id=item_id, transcript=text)
    story.marks_return()
    story.caller_speaks("item_2", previous="item_1")
    placed(story, "item_2", "item_1", "user")
    heard(story, "item_2", "Two.")
    assert [text for _, text in story.lines()] == ["One.", "Two.", "Three."]


def test_what_the_agent_says_is_no_line_before_it_is_known_how_much_was_heard():
    """Whoever takes the call up would believe that all of it was."""
    story = Story().live()
    story.agent_begins("item_a")
    story.delta("item_a", 2000)
    story.agent_finishes("item_a", "We open at nine and close at five.")
    assert story.lines() == []
    story.marks_return()
    assert story.lines() == [("agent", "We open at nine and close at five.")]


def test_words_that_become_known_after_the_agent_was_cut_were_not_heard_either():
    story = Story().live()
    story.agent_begins("item_a")
    story.delta("item_a", 2000)
    story.marks_before_audio_return()
    story.caller_audio(100)
    story.happens(StreamEnded(stopped=False))
    story.model(
        "response.output_audio_transcript.done", item_id="item_a", transcript="We open at nine and close"
    )
    assert story.lines() == []


def test_speech_that_could_not_be_written_down_stays_visible():
    story = Story().live()
    story.caller_speaks("item_u")
    story.model(
        "conversation.item.input_audio_transcription.failed",
        item_id="item_u",
        error={"code": "audio_unintelligible", "message": "?"},
    )
    assert story.lines() == [("caller", "[inaudible]")]
    assert story.events("model.error")


def test_each_line_is_told_once():
    story = Story().live()
    story.caller_speaks("item_u")
    heard(story, "item_u", "Hello.")
    heard(story, "item_u", "Hello.")
    assert len(story.events("transcript.line")) == 1


def test_times_are_counted_from_the_answer():
    story = Story().live()
    story.later(2)
    story.caller_audio(1000)
    story.caller_speaks("item_u", 1000, silence_ms=500)
    heard(story, "item_u", "Hello.")
    [line] = story.events("transcript.line")
    assert (line.data["start_ms"], line.data["end_ms"]) == (3000, 4000)


def test_words_are_cut_where_the_audio_was():
    assert heard_words("one two three four", 500, 1000) == "one two"
    assert heard_words("one two", 0, 1000) == ""
    assert heard_words("one two", 1000, 1000) == "one two"
    assert heard_words("", 0, 0) == ""


def test_an_item_that_another_session_has_named_already_stands_once():
    """The new name may have been heard before it is said whose it is."""
    transcript = Transcript()
    transcript.place("item_1", None, "caller")
    transcript.place("item_2", "item_1", "caller")
    transcript.replace("item_1", "item_2")
    transcript.caller_stopped("item_2", 900)
    transcript.text("item_2", "Hello?", final=True, role="caller")
    saved = [change for change in transcript.changes(1000) if isinstance(change, SaveLine)]
    assert [(line.item_id, line.position) for line in saved] == [("item_2", 0)]
