"""Who speaks first, and when."""

from __future__ import annotations

import pytest

from bridge.call.agent import ServerVad
from bridge.call.events import Answered, StreamStarted
from bridge.call.lines import Lines
from tests.unit.bridge.call.story import QUIET, Story, audio


def test_the_greeting_is_asked_for_once_the_session_is_mu_law_and_the_call_answered():
    """Audio made before the format took effect would be noise in the caller's ear."""
    story = Story(greeting="Hello, this is Example.")
    story.opened()
    story.happens(Answered())
    assert [message["type"] for message in story.said] == ["session.update"]
    story.configured()
    [request] = story.sent("response.create")
    assert '"Hello, this is Example."' in request["response"]["instructions"]


def test_an_outbound_call_is_not_greeted_before_it_is_answered():
    story = Story(greeting="Hello.")
    story.opened()
    story.configured()
    assert not story.sent("response.create")
    story.happens(Answered())
    assert story.sent("response.create")


def test_without_a_greeting_the_agent_waits_for_the_caller():
    assert not Story().live().sent("response.create")


def test_greeting_audio_that_is_ready_before_the_stream_is_heard_at_its_start():
    """The model was warmed in the webhook; nothing of what it said meanwhile may be lost."""
    story = Story(greeting="Hello.")
    story.opened()
    story.happens(Answered())
    story.configured()
    story.agent_begins("item_1")
    story.delta("item_1", 400)
    assert story.shown == []
    story.later(0.5)
    story.happens(StreamStarted("MZ1"))
    assert [message["event"] for message in story.shown] == ["mark", "media", "mark"]
    assert story.shown[1]["media"]["payload"] == audio(400)
    assert story.totals().latency["answer_to_first_audio_ms"] == 500


def test_caller_audio_is_kept_while_the_model_is_being_reached():
    story = Story()
    story.opened()
    story.happens(Answered())
    story.happens(StreamStarted("MZ1"))
    assert story.caller_audio(60) == ["", "", ""]
    story.configured()
    assert [message["audio"] for message in story.sent("input_audio_buffer.append")] == [QUIET] * 3
    assert story.caller_audio(20)[0].startswith('{"type":"input_audio_buffer.append"')


@pytest.mark.parametrize(
    ("input_format", "output_format"), [("audio/pcm", "audio/pcmu"), ("audio/pcmu", "audio/pcm")]
)
def test_a_session_in_another_format_never_reaches_an_ear(input_format: str, output_format: str):
    story = Story(greeting="Hello.")
    story.opened()
    story.happens(Answered())
    story.happens(StreamStarted("MZ1"))
    story.configured(input_format, output_format)
    story.model("response.output_audio.delta", item_id="item_1", delta=audio(200))
    assert "item_1" not in str(story.shown)
    story.marks_return()
    assert story.ending is not None
    assert story.ending.reason == "model_refused"
    assert story.ending.error is not None
    assert story.ending.error["code"] == "format_mismatch"
    [media] = [message for message in story.shown if message["event"] == "media"]
    assert media["media"]["payload"] == Lines().apology.payload


def test_a_format_that_changes_during_the_call_ends_it_too():
    story = Story().live()
    story.configured(output_format="audio/pcm")
    story.marks_return()
    assert story.ending is not None


def test_idle_timeout_is_set_only_when_the_caller_is_on_the_line():
    """It would fire into the ringing otherwise."""
    story = Story(turn_detection=ServerVad(idle_timeout_ms=6000))
    story.opened()
    story.happens(Answered())
    story.configured()
    first = story.sent("session.update")[0]["session"]["audio"]["input"]["turn_detection"]
    assert first["idle_timeout_ms"] is None
    story.happens(StreamStarted("MZ1"))
    later = story.sent("session.update")[1]["session"]["audio"]["input"]["turn_detection"]
    assert later["idle_timeout_ms"] == 6000


def test_a_greeting_that_must_not_be_interrupted_is_heard_to_its_end():
    """The bridge does not go deaf meanwhile: the caller is listened to, and answered afterwards."""
    story = Story(greeting="This call is recorded.", greeting_interruptible=False).live()
    detection = story.sent("session.update")[0]["session"]["audio"]["input"]["turn_detection"]
    assert detection["interrupt_response"] is False
    story.agent_begins("item_1", request=story.request())
    story.delta("item_1", 2000)
    story.caller_speaks("item_u", 400)
    assert not [message for message in story.shown if message["event"] == "clear"]
    story.agent_finishes("item_1", "This call is recorded.")
    story.marks_return()
    assert len(story.sent("response.create")) == 2, "the greeting, then the answer to what was said into it"
    assert story.sent("session.update")[-1]["session"]["audio"]["input"]["turn_detection"][
        "interrupt_response"
    ]


def announced() -> Story:
    story = Story(
        greeting="This call is recorded. Hello.",
        greeting_interruptible=False,
        record=True,
        recording_announcement="This call is recorded.",
    ).live()
    story.agent_begins("item_1", request=story.request())
    story.delta("item_1", 2000)
    return story


def test_that_a_call_is_recorded_counts_as_said_once_it_was_heard_to_its_end():
    story = announced()
    story.agent_finishes("item_1", "This call is recorded. Hello.")
    assert not story.events("recording.announced")
    story.marks_return()
    assert len(story.events("recording.announced")) == 1


def test_an_announcement_that_the_model_did_not_finish_does_not_count():
    """What the law may ask for is not claimed on a guess."""
    story = announced()
    story.response_done(status="failed")
    story.marks_return()
    assert not story.events("recording.announced")


def test_a_greeting_that_is_talked_over_is_still_known_to_the_model():
    """Whoever is rung up says "Hello?" into it; the answer to that is to hold its words."""
    story = Story(prompt="Be brief.", greeting="Hello, this is Example.").live()
    instructions = story.sent("session.update")[0]["session"]["instructions"]
    assert instructions.startswith("Be brief.")
    assert '"Hello, this is Example."' in instructions
