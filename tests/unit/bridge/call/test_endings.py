"""Every call ends for one reason, and nobody's goodbye is clipped."""

from __future__ import annotations

import pytest

from bridge.call.events import (
    CallOver,
    HangUpRequested,
    ModelClosed,
    ModelUnreachable,
    StreamEnded,
    StreamStarted,
)
from bridge.call.lines import Line, Lines
from tests.unit.bridge.call.story import Story, audio


def end_call(story: Story, response_id: str = "resp_1") -> None:
    story.model(
        "response.function_call_arguments.done",
        response_id=response_id,
        item_id="item_f",
        call_id="call_f",
        name="end_call",
        arguments="{}",
    )


def test_the_goodbye_is_heard_to_its_end_before_the_agent_hangs_up():
    story = Story().live()
    story.agent_begins("item_1")
    story.delta("item_1", 1500)
    end_call(story)
    story.agent_finishes("item_1", "Goodbye!")
    assert story.ending is None
    story.later(1.4)
    assert story.ending is None
    story.marks_return()
    assert story.ending is not None
    assert story.ending.reason == "agent_hung_up"
    assert story.lines() == [("agent", "Goodbye!")]


def test_an_agent_that_hangs_up_without_a_word_is_made_to_say_goodbye():
    story = Story().live()
    story.caller_speaks("item_u")
    story.model("response.created", response={"id": "resp_1"})
    end_call(story)
    assert story.sent("conversation.item.create")[0]["item"]["call_id"] == "call_f"
    assert not story.sent("response.create"), "a response is running"
    story.response_done()
    [request] = story.sent("response.create")
    assert request["response"]["tool_choice"] == "none"
    assert story.ending is None
    story.agent_says("item_2", "Goodbye!", 800, "resp_2")
    assert story.ending is None
    story.marks_return()
    assert story.ending is not None


def test_a_goodbye_that_never_comes_does_not_keep_the_line_open():
    story = Story().live()
    story.caller_speaks("item_u")
    story.model("response.created", response={"id": "resp_1"})
    end_call(story)
    story.response_done()
    story.later(9)
    assert story.ending is not None
    assert story.ending.reason == "agent_hung_up"


def test_a_last_mark_that_never_comes_does_not_keep_the_line_open():
    story = Story().live()
    story.agent_begins("item_1")
    story.delta("item_1", 1500)
    end_call(story)
    story.agent_finishes("item_1", "Goodbye!")
    story.later(4)
    assert story.ending is not None


def test_a_caller_who_speaks_into_the_goodbye_keeps_the_call_going():
    story = Story().live()
    story.agent_begins("item_1")
    story.delta("item_1", 1500)
    end_call(story)
    story.agent_finishes("item_1", "Goodbye!")
    story.caller_speaks("item_u")
    story.marks_return()
    assert story.ending is None
    [output] = story.sent("conversation.item.create")
    assert output["item"]["type"] == "function_call_output"


def test_the_caller_hangs_up():
    story = Story().live()
    story.happens(StreamEnded(stopped=True))
    assert story.ending is not None
    assert (story.ending.reason, story.ending.caller_gone) == ("caller_hung_up", True)


def test_a_caller_who_hangs_up_during_the_greeting():
    story = Story(greeting="Hello there, this is Example.").live()
    story.agent_begins("item_1", request=story.request())
    story.delta("item_1", 1000)
    story.happens(StreamEnded(stopped=True))
    assert story.ending is not None
    assert story.ending.reason == "caller_hung_up"


def test_the_last_words_of_a_caller_who_hung_up_still_reach_the_transcript():
    """They are on their way as text; the model says nothing more meanwhile."""
    story = Story().live()
    story.caller_speaks("item_u")
    story.happens(StreamEnded(stopped=True))
    assert story.ending is None
    story.model("response.created", response={"id": "resp_1"})
    assert story.sent("response.cancel")
    story.model(
        "conversation.item.input_audio_transcription.completed", item_id="item_u", transcript="Thanks, bye."
    )
    story.later(2.1)
    assert story.ending is not None
    assert story.ending.reason == "caller_hung_up"
    assert story.lines() == [("caller", "Thanks, bye.")]


def test_an_operator_hangs_up():
    story = Story().live()
    story.happens(HangUpRequested())
    assert story.ending is not None
    assert (story.ending.reason, story.ending.caller_gone) == ("operator_hung_up", False)


def test_twilio_says_that_the_call_is_over():
    story = Story().live()
    story.happens(CallOver())
    assert story.ending is not None
    assert story.ending.caller_gone


def test_an_outbound_call_that_nobody_answers_lets_its_model_go():
    story = Story()
    story.opened()
    story.configured()
    story.happens(CallOver())
    assert story.ending is not None
    assert story.ending.reason == "not_answered"


def test_the_longest_call_ends_with_words():
    story = Story(max_call_seconds=60).live()
    story.later(60)
    [request] = story.sent("response.create")
    assert "time" in request["response"]["instructions"]
    story.agent_says("item_1", "Our time is up. Goodbye!", 1000)
    assert story.ending is None
    story.marks_return()
    assert story.ending is not None
    assert story.ending.reason == "max_duration"


def test_the_longest_call_waits_for_the_sentence_that_is_being_said():
    """The answer that was running is not taken for the farewell."""
    story = Story(max_call_seconds=60).live()
    story.later(59)
    story.agent_begins("item_1")
    story.delta("item_1", 500)
    story.later(1)
    story.agent_finishes("item_1", "Let me see.")
    story.marks_return()
    assert story.ending is None
    story.agent_says("item_2", "Our time is up.", 500, "resp_2")
    story.marks_return()
    assert story.ending is not None


def test_a_silent_caller_is_told_goodbye():
    story = Story(caller_silent_seconds=20).live()
    story.later(19.9)
    assert not story.sent("response.create")
    story.later(0.2)
    assert "said nothing" in story.sent("response.create")[0]["response"]["instructions"]
    story.agent_says("item_1", "Goodbye.", 500)
    story.marks_return()
    assert story.ending is not None
    assert story.ending.reason == "caller_silent"


def test_a_caller_is_not_silent_while_the_agent_is_being_heard():
    story = Story(caller_silent_seconds=20).live()
    story.agent_begins("item_1")
    story.delta("item_1", 30_000)
    story.agent_finishes("item_1", "A long story.")
    story.later(25)
    assert not story.sent("response.create")
    story.marks_return()
    story.later(20.1)
    assert story.sent("response.create")


def test_a_silent_caller_who_answers_the_farewell_is_talked_to():
    story = Story(caller_silent_seconds=20).live()
    story.later(20.1)
    story.agent_begins("item_1", request=story.request())
    story.delta("item_1", 500)
    story.caller_speaks("item_u")
    story.response_done(status="cancelled")
    story.marks_return()
    story.later(5)
    assert story.ending is None


def test_a_model_that_refuses_becomes_an_ending_as_soon_as_there_is_somebody_to_tell():
    story = Story(greeting="Hello.")
    story.happens(ModelUnreachable(refused=True, code="invalid_api_key", message="Incorrect API key."))
    assert story.ending is None
    story.happens(StreamStarted("MZ1"))
    assert story.ending is None, "the apology is to be heard"
    story.marks_return()
    assert story.ending is not None
    assert story.ending.reason == "model_refused"
    assert story.ending.error == {"code": "invalid_api_key", "message": "Incorrect API key."}


@pytest.mark.parametrize("reason", ["invalid_api_key", "invalid_model"])
def test_a_refusal_is_apologised_for_at_once(reason: str):
    story = Story().live()
    story.happens(ModelClosed(4000, f"invalid_request_error.{reason}"))
    assert story.events("agent.line_played")
    story.marks_return()
    assert story.ending is not None
    assert story.ending.reason == "model_refused"


def test_a_quota_error_is_a_refusal_wherever_it_turns_up():
    for in_a_response in (False, True):
        story = Story().live()
        error = {"type": "invalid_request_error", "code": "insufficient_quota", "message": "No."}
        if in_a_response:
            story.model("response.created", response={"id": "resp_1"})
            story.response_done(status="failed", status_details={"type": "failed", "error": error})
        else:
            story.model("error", error=error)
        story.marks_return()
        assert story.ending is not None
        assert story.ending.reason == "model_refused"


def test_an_apology_that_was_heard_is_not_said_again():
    story = Story(lines=Lines(apology=Line("Sorry.", audio(1000), spoken=True))).live()
    story.happens(ModelClosed(4000, "invalid_request_error.invalid_model"))
    story.marks_return()
    assert story.ending is not None
    assert story.ending.apologised


def test_nothing_happens_on_a_call_that_has_ended():
    story = Story().live()
    story.happens(HangUpRequested())
    done = len(story.commands)
    story.happens(StreamEnded(stopped=True))
    story.agent_says("item_1", "Still here?", 500)
    story.later(10_000)
    assert story.caller_audio(20) == [""]
    assert len(story.commands) == done
