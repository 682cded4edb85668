"""Keys in a call: what the caller presses reaches the model once, what the agent presses is heard first."""

from __future__ import annotations

import base64
import json
from typing import Any

from bridge.call.events import Answered, DtmfReceived, ModelClosed, StreamEnded, StreamStarted
from bridge.call.keys import Keys
from bridge.call.past import RESULT_UNKNOWN
from bridge.call.tools import EndCallTool, SendDtmfTool
from bridge.wire.dtmf import tones
from tests.unit.bridge.call.story import Story

PIN = Keys(secret=True)


def press(story: Story, keys: str) -> None:
    for key in keys:
        story.later(0.2)
        story.happens(DtmfReceived(key))


def told(story: Story) -> list[str]:
    """What the model was told in words."""
    items = [message["item"] for message in story.sent("conversation.item.create")]
    return [item["content"][0]["text"] for item in items if item.get("role") == "user"]


def requests(story: Story) -> int:
    return len(story.sent("response.create"))


# The caller's


def test_an_entry_is_told_once_and_answered() -> None:
    story = Story(greeting=None).live()
    press(story, "42")
    assert (told(story), requests(story)) == ([], 0)
    press(story, "#")
    assert told(story) == ["The caller pressed 4 2 #"]
    assert requests(story) == 1
    assert story.lines() == [("caller", "[pressed 4 2 #]")]
    assert [event.data for event in story.events("dtmf.received")] == [{"digit": key} for key in "42#"]
    [line] = story.events("transcript.line")
    assert (line.data["role"], line.data["text"]) == ("caller", "[pressed 4 2 #]")


def test_a_pause_ends_an_entry() -> None:
    story = Story(greeting=None).live()
    press(story, "4")
    story.later(1.9)
    assert told(story) == []
    story.later(0.2)
    assert told(story) == ["The caller pressed 4"]


def test_entries_of_the_same_moment_are_two() -> None:
    """A network may deliver two keys at once."""
    story = Story(greeting=None, keys=Keys(max_length=1)).live()
    story.happens(DtmfReceived("1"))
    story.happens(DtmfReceived("2"))
    assert told(story) == ["The caller pressed 1", "The caller pressed 2"]
    assert story.lines() == [("caller", "[pressed 1]"), ("caller", "[pressed 2]")]
    assert len({item["item"]["id"] for item in story.sent("conversation.item.create")}) == 2


def test_a_secret_is_told_to_the_model_and_to_nobody_else() -> None:
    story = Story(greeting=None, keys=PIN).live()
    press(story, "4711#")
    assert told(story) == ["The caller pressed 4 7 1 1 #"]
    kept = [command for command in story.commands if type(command).__name__ in ("Record", "SaveLine")]
    assert kept and not any("7" in str(getattr(one, "text", "")) for one in kept)
    assert {event.data["digit"] for event in story.events("dtmf.received")} == {"•"}
    assert story.lines() == [("caller", "[pressed • • • • •]")]


def test_keys_silence_the_agent_as_speech_does() -> None:
    story = Story(greeting=None).live()
    story.agent_begins("item_a")
    story.delta("item_a", 3000)
    press(story, "1")
    assert story.shown[-2]["event"] == "clear"
    assert story.sent("response.cancel")
    story.response_done("resp_1", status="cancelled")
    story.later(3)
    assert told(story) == ["The caller pressed 1"]
    assert requests(story) == 1


def test_a_protected_greeting_is_heard_to_its_end_all_the_same() -> None:
    story = Story(greeting="Hello.", greeting_interruptible=False).live()
    story.agent_begins("item_a", request=story.request())
    story.delta("item_a", 3000)
    press(story, "1#")
    assert not any(message["event"] == "clear" for message in story.shown)
    assert told(story) == ["The caller pressed 1 #"]


def test_an_agent_may_not_care() -> None:
    story = Story(greeting=None, keys=None).live()
    press(story, "42#")
    assert (told(story), requests(story), story.lines()) == ([], 0, [])
    assert len(story.events("dtmf.received")) == 3


def test_keys_wait_for_a_model_that_is_not_there_yet() -> None:
    """A secret above all: it stands nowhere else."""
    story = Story(greeting=None, keys=PIN)
    story.opened()
    story.happens(Answered())
    story.happens(StreamStarted("MZ1"))
    press(story, "42#")
    assert told(story) == []
    story.configured()
    assert told(story)[-1] == "The caller pressed 4 2 #"
    assert requests(story) == 1


# The agent's


def presses(story: Story, arguments: str = '{"digits": "1w2"}', call_id: str = "call_1") -> None:
    story.model("response.created", response={"id": "resp_1", "metadata": None})
    story.model(
        "response.function_call_arguments.done",
        item_id="item_f",
        call_id=call_id,
        name="send_dtmf",
        arguments=arguments,
    )
    story.response_done()


def menu(**agent: Any) -> Story:
    return Story(greeting=None, tools=[EndCallTool(), SendDtmfTool()], **agent).live()


def outputs(story: Story) -> list[str]:
    items = [message["item"] for message in story.sent("conversation.item.create")]
    return [item["output"] for item in items if item["type"] == "function_call_output"]


def test_tones_are_heard_before_the_model_hears_of_them() -> None:
    story = menu()
    presses(story)
    [media] = [message for message in story.shown if message["event"] == "media"]
    assert base64.b64decode(media["media"]["payload"]) == tones("1w2")
    assert outputs(story) == []
    story.marks_return()
    [output] = outputs(story)
    assert "pressed" in output
    assert requests(story) == 0, "the menu goes on by itself"
    [returned] = story.events("tool.returned")
    assert (returned.data["name"], returned.data["ok"]) == ("send_dtmf", True)
    assert [role for role, _ in story.lines()] == ["tool"]
    assert not any("1w2" in text for _, text in story.lines())
    assert story.ending is None


def test_a_menu_that_talks_on_does_not_cut_the_tones() -> None:
    story = menu()
    presses(story)
    story.model("input_audio_buffer.speech_started", item_id="item_m", audio_start_ms=0)
    assert not any(message["event"] == "clear" for message in story.shown)
    story.marks_return()
    assert len(outputs(story)) == 1


def test_where_nobody_answers_the_keys_the_agent_goes_on() -> None:
    story = menu()
    presses(story)
    story.marks_return()
    story.later(2.9)
    assert requests(story) == 0
    story.later(0.2)
    assert requests(story) == 1
    story.later(1)
    assert requests(story) == 1


def test_where_somebody_answers_nothing_more_is_asked_for() -> None:
    story = menu()
    presses(story)
    story.marks_return()
    story.caller_speaks("item_m", 1000)
    story.later(3)
    assert requests(story) == 0


def test_wrong_digits_press_nothing_and_the_model_is_told_how() -> None:
    for arguments in ('{"digits": "+1"}', '{"digits": 12}', "{", "{}", json.dumps({"digits": "1" * 41})):
        story = menu()
        presses(story, arguments)
        assert not any(message["event"] == "media" for message in story.shown)
        assert "Nothing was pressed" in outputs(story)[0]
        assert requests(story) == 1
        assert story.events("tool.returned")[0].data["ok"] is False


def test_an_agent_without_the_tool_presses_nothing() -> None:
    story = Story(greeting=None).live()
    presses(story)
    assert not story.shown
    assert "no tool" in outputs(story)[0]


def test_the_call_is_not_ended_for_silence_while_it_waits_for_keys() -> None:
    story = menu(caller_silent_seconds=5)
    presses(story)
    story.marks_return()
    story.later(4)
    assert story.ending is None


# When something breaks


def lost(story: Story) -> None:
    story.happens(ModelClosed(1006, "", story.session))
    story.later(0.01)
    story.said.clear()


def back(story: Story) -> None:
    story.opened(2)
    story.configured()


def test_keys_that_were_pressed_while_there_was_no_model_are_in_what_the_next_one_is_told() -> None:
    story = Story(greeting=None).live()
    lost(story)
    press(story, "42#")
    back(story)
    assert told(story) == ["[pressed 4 2 #]"], "once"
    assert requests(story) == 1


def test_a_secret_waits_for_the_next_model() -> None:
    story = Story(greeting=None, keys=PIN).live()
    lost(story)
    press(story, "42#")
    back(story)
    assert told(story) == ["[pressed • • •]", "The caller pressed 4 2 #"]
    assert requests(story) == 1


def test_tones_that_were_cut_with_the_stream_are_told_as_what_they_are() -> None:
    story = menu()
    presses(story)
    story.happens(StreamEnded(stopped=False))
    assert "not all" in outputs(story)[0]
    assert requests(story) == 1
    assert story.events("tool.returned")[0].data["ok"] is False


def test_keys_that_are_being_entered_keep_the_call_where_it_is() -> None:
    """Another process would not know of them."""
    story = Story(greeting=None).live()
    assert story.call.quiet
    press(story, "4")
    assert not story.call.quiet


# What the model's own service calls


def test_what_a_remote_tool_was_doing_when_the_session_was_lost_is_unknown() -> None:
    story = Story(greeting=None).live()
    story.model("response.created", response={"id": "resp_1", "metadata": None})
    item = {"id": "mcp_1", "type": "mcp_call", "server_label": "crm", "name": "find customer"}
    story.model("response.output_item.added", response_id="resp_1", item=item)
    story.model("response.mcp_call_arguments.done", item_id="mcp_1", arguments="{}")
    lost(story)
    [returned] = story.events("tool.returned")
    assert (returned.data["name"], returned.data["ok"]) == ("crm.find customer", False)
    back(story)
    call, output = [message["item"] for message in story.sent("conversation.item.create")]
    assert (call["name"], call["call_id"]) == ("crm_find_customer", "mcp_1"), "as a function can be named"
    assert output["output"] == RESULT_UNKNOWN
