"""Functions that the agent calls: talk goes on meanwhile, and the model goes on when it has all answers."""

from __future__ import annotations

from typing import Any

from bridge.call.commands import EndCall, RunTool
from bridge.call.engine import ToolRan
from bridge.call.events import StreamEnded, ToolReturned
from bridge.call.tools import EndCallTool, FunctionTool, ToolWebhook
from tests.unit.bridge.call.story import Story

FILLER = "One moment, I am looking."


def tool(name: str = "look_up_order", say: str | None = None) -> FunctionTool:
    return FunctionTool(name=name, webhook=ToolWebhook(url="https://example.com/"), say_while_running=say)


def call_in_which_a_tool_runs(say: str | None = None, **agent: Any) -> Story:
    story = Story(tools=[EndCallTool(), tool(say=say), tool("weather")], **agent).live()
    story.caller_speaks("item_u")
    story.model("response.created", response={"id": "resp_1"})
    calls(story)
    story.response_done()
    return story


def calls(
    story: Story, tool_call_id: str = "call_1", name: str = "look_up_order", response_id: str = "resp_1"
) -> None:
    story.model(
        "response.function_call_arguments.done",
        response_id=response_id,
        item_id=f"item_{tool_call_id}",
        call_id=tool_call_id,
        name=name,
        arguments='{"number": 7}',
    )


def returned(tool_call_id: str = "call_1", *, ok: bool = True, status: int | None = 200) -> ToolReturned:
    return ToolReturned(tool_call_id, f"output of {tool_call_id}", ok, status, 120)


def outputs(story: Story) -> list[str]:
    items = [message["item"] for message in story.sent("conversation.item.create")]
    return [item["output"] for item in items if item["type"] == "function_call_output"]


def test_a_tool_is_run_and_the_model_goes_on_with_its_output():
    story = call_in_which_a_tool_runs()
    [run] = [command for command in story.commands if isinstance(command, RunTool)]
    assert (run.tool_call_id, run.name, run.arguments) == ("call_1", "look_up_order", '{"number": 7}')
    assert run.line.tool == ToolRan("call_1", "look_up_order", '{"number": 7}', None)
    assert not story.sent("response.create"), "nothing is known yet"
    story.happens(returned())
    assert outputs(story) == ["output of call_1"]
    assert len(story.sent("response.create")) == 1
    assert story.events("tool.called")[0].data == {"name": "look_up_order", "tool_call_id": "call_1"}
    assert story.events("tool.returned")[0].data == {
        "name": "look_up_order",
        "tool_call_id": "call_1",
        "ok": True,
        "status": 200,
        "duration_ms": 120,
    }


def test_neither_arguments_nor_output_are_shown_to_whoever_reads_events_and_transcripts():
    story = call_in_which_a_tool_runs()
    story.happens(returned(ok=False, status=500))
    assert ("tool", "look_up_order: failed, 500 after 120 ms") in story.lines()
    told = str([story.events("tool.called"), story.events("tool.returned"), story.events("transcript.line")])
    assert "number" not in told
    assert "output of" not in told


def test_several_tools_of_one_response_are_answered_together():
    story = Story(tools=[tool(), tool("weather")]).live()
    story.model("response.created", response={"id": "resp_1"})
    calls(story)
    calls(story, "call_2", "weather")
    story.response_done()
    story.happens(returned("call_2"))
    assert outputs(story) == ["output of call_2"]
    assert not story.sent("response.create"), "the other one is still running"
    story.happens(returned("call_1"))
    assert len(outputs(story)) == 2
    assert len(story.sent("response.create")) == 1


def test_a_tool_that_returns_before_its_response_is_done_waits_for_that():
    """Two responses at once are an error of OpenAI's."""
    story = Story(tools=[tool()]).live()
    story.model("response.created", response={"id": "resp_1"})
    calls(story)
    story.happens(returned())
    assert not story.sent("response.create")
    story.response_done()
    assert len(story.sent("response.create")) == 1


def test_what_a_caller_says_meanwhile_is_answered_and_the_output_comes_after_it():
    story = call_in_which_a_tool_runs()
    story.model("input_audio_buffer.speech_started", item_id="item_v", audio_start_ms=2000)
    story.happens(returned())
    assert not story.sent("response.create"), "the caller is speaking"
    story.caller_audio(1000)
    story.model("input_audio_buffer.speech_stopped", item_id="item_v", audio_end_ms=3000)
    story.model("input_audio_buffer.committed", item_id="item_v", previous_item_id=None)
    for message in story.sent("conversation.item.create"):
        story.model("conversation.item.added", previous_item_id="item_v", item=message["item"])
    story.model("response.created", response={"id": "resp_2"})
    story.response_done("resp_2")
    assert not story.sent("response.create"), "the server's own response has seen the output"


def test_an_unknown_tool_is_said_to_be_one():
    story = Story(tools=[tool()]).live()
    calls(story, name="teleport")
    assert outputs(story) == ["There is no tool named 'teleport'."]
    assert len(story.sent("response.create")) == 1
    assert not [command for command in story.commands if isinstance(command, RunTool)]


def test_silence_while_a_tool_runs_is_filled_after_a_second_and_once():
    story = call_in_which_a_tool_runs(say=FILLER)
    story.later(0.9)
    assert not story.sent("response.create")
    story.later(0.2)
    [asked] = story.sent("response.create")
    assert f'"{FILLER}"' in asked["response"]["instructions"]
    assert asked["response"]["tool_choice"] == "none"
    story.agent_says("item_f", FILLER, 800, "resp_f")
    story.marks_return()
    story.later(20)
    assert len(story.sent("response.create")) == 1


def test_a_quick_tool_needs_no_filler():
    story = call_in_which_a_tool_runs(say=FILLER)
    story.later(0.5)
    story.happens(returned())
    story.later(5)
    [asked] = story.sent("response.create")
    assert "instructions" not in asked["response"]


def test_silence_is_not_filled_while_somebody_speaks():
    story = call_in_which_a_tool_runs(say=FILLER)
    story.model("input_audio_buffer.speech_started", item_id="item_v", audio_start_ms=2000)
    story.later(3)
    assert not story.sent("response.create")


def test_a_filler_that_was_overtaken_by_the_result_is_not_said():
    story = call_in_which_a_tool_runs(say=FILLER)
    story.later(1.1)
    filler = story.request()
    story.model("response.created", response={"id": "resp_2"})
    error = {"code": "conversation_already_has_active_response", "event_id": filler, "message": "busy"}
    story.model("error", error=error)
    story.happens(returned())
    story.response_done("resp_2")
    assert [FILLER in str(asked) for asked in story.sent("response.create")] == [True, False]


def test_a_caller_who_waits_for_a_tool_is_not_taken_to_be_gone():
    story = call_in_which_a_tool_runs(caller_silent_seconds=5)
    story.later(30)
    assert story.ending is None
    assert not story.sent("response.create")
    story.happens(returned())
    story.later(4)
    assert "hanging up" not in str(story.sent("response.create"))


def test_hanging_up_does_not_wait_for_a_tool_and_its_result_is_still_recorded():
    story = call_in_which_a_tool_runs()
    story.happens(StreamEnded(stopped=True))
    story.later(3)
    assert isinstance(story.ending, EndCall)
    sent = len(story.said)
    story.happens(returned())
    assert len(story.events("tool.returned")) == 1
    assert ("tool", "look_up_order: done after 120 ms") in story.lines()
    assert len(story.said) == sent, "nobody is there to be told"


def test_the_agent_may_hang_up_while_a_tool_runs():
    story = call_in_which_a_tool_runs()
    story.model("response.created", response={"id": "resp_2"})
    calls(story, "call_end", "end_call", "resp_2")
    story.response_done("resp_2")
    story.happens(returned())
    assert outputs(story)[-1] == "output of call_1"
    [asked] = story.sent("response.create")
    assert asked["response"]["tool_choice"] == "none", "the goodbye, and nothing about the tool after it"


def test_an_output_that_nobody_asked_for_changes_nothing():
    story = call_in_which_a_tool_runs()
    story.happens(returned())
    before = len(story.said)
    story.happens(returned())
    story.happens(returned("call_x"))
    assert len(story.said) == before
