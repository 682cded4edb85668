"""`response.create` is never sent blindly, whoever wins the race."""

from __future__ import annotations

import json

from bridge.engines.openai_realtime.responses import Responses


def event_ids(frames: list[str]) -> list[str]:
    return [json.loads(frame)["event_id"] for frame in frames]


def busy(response_id: str) -> str:
    return f"Conversation already has an active response in progress: {response_id}. Wait until ..."


def answer_begins(responses: Responses) -> str | None:
    """Turn detection answers what the caller said."""
    responses.turn_taken()
    return responses.created("resp_vad", None)


def test_a_request_waits_for_the_response_that_is_running():
    responses = Responses()
    responses.created("resp_1", None)
    assert responses.want("tools", None) == []
    assert event_ids(responses.done("resp_1")) == ["rc_1"]


def test_one_request_at_a_time():
    responses = Responses()
    assert event_ids(responses.want("greeting", "Hello.")) == ["rc_1"]
    assert responses.want("farewell", "Bye.") == []
    assert responses.created("resp_1", {"request": "rc_1"}) == "greeting"
    assert event_ids(responses.done("resp_1")) == ["rc_2"]


def test_a_request_waits_while_the_caller_speaks():
    responses = Responses()
    responses.caller_speaking = True
    assert responses.want("tools", None) == []


def test_the_servers_own_response_wins_and_the_error_comes_after_its_created():
    responses = Responses()
    responses.want("tools", None)
    assert answer_begins(responses) is None
    assert responses.refused("rc_1", busy("resp_vad")) == []
    assert event_ids(responses.done("resp_vad")) == ["rc_2"], "it began before the results were seen"


def test_the_servers_own_response_wins_and_the_error_comes_before_its_created():
    responses = Responses()
    responses.want("tools", None)
    assert responses.refused("rc_1", busy("resp_vad")) == []
    answer_begins(responses)
    assert event_ids(responses.done("resp_vad")) == ["rc_2"]


def test_an_error_that_comes_when_the_other_response_is_over_repeats_the_request_at_once():
    responses = Responses()
    responses.want("tools", None)
    answer_begins(responses)
    responses.done("resp_vad")
    frames = responses.refused("rc_1", busy("resp_vad"))
    assert frames is not None
    assert event_ids(frames) == ["rc_2"]


def test_results_that_the_winner_has_seen_are_not_asked_about_again():
    responses = Responses()
    responses.want("tools", None)
    responses.items_seen()
    answer_begins(responses)
    responses.refused("rc_1", busy("resp_vad"))
    assert responses.done("resp_vad") == []


def test_a_greeting_is_dropped_when_the_caller_was_first():
    responses = Responses()
    responses.want("greeting", "Hello.")
    answer_begins(responses)
    responses.refused("rc_1", busy("resp_vad"))
    assert responses.done("resp_vad") == []


def test_a_farewell_is_said_whoever_was_first():
    responses = Responses()
    responses.want("farewell", "Bye.")
    answer_begins(responses)
    responses.refused("rc_1", busy("resp_vad"))
    assert event_ids(responses.done("resp_vad")) == ["rc_2"]


def test_an_error_about_something_else_is_not_ours():
    responses = Responses()
    assert responses.refused("rc_9", busy("resp_1")) is None
    assert responses.refused(None, busy("resp_1")) is None


def test_a_request_refused_for_another_reason_does_not_block_the_next():
    responses = Responses()
    responses.want("greeting", "Hello.")
    assert responses.failed("rc_1")
    assert event_ids(responses.want("farewell", None)) == ["rc_2"]


def test_a_compatible_server_that_does_not_echo_metadata():
    responses = Responses()
    responses.want("greeting", "Hello.")
    assert responses.created("resp_1", None) == "greeting"
    assert event_ids(responses.done("resp_1") + responses.want("tools", None)) == ["rc_2"]


def test_a_compatible_server_that_says_only_that_a_response_is_done():
    responses = Responses()
    responses.want("greeting", "Hello.")
    responses.done("resp_1")
    assert event_ids(responses.want("tools", None)) == ["rc_2"]
