"""Callers who are put through, operators who speak, machines that answer: what the call does, and when."""

from __future__ import annotations

from typing import Any

from bridge.call.agent import Voicemail
from bridge.call.commands import CheckTransfer
from bridge.call.events import (
    DeadlinePassed,
    MachineDetected,
    SayRequested,
    StreamEnded,
    TransferChecked,
    TransferRequested,
)
from bridge.call.tools import Destination, EndCallTool, TransferCallTool
from tests.unit.bridge.call.story import Story

DESK = Destination(name="Front desk", to="+12125550177", description="People.")


def story(**more: Any) -> Story:
    return Story(tools=[EndCallTool(), TransferCallTool(destinations=[DESK])], **more).live()


def calls_tool(it: Story, name: str, arguments: str, response_id: str = "resp_1") -> None:
    it.model(
        "response.function_call_arguments.done",
        response_id=response_id,
        item_id="item_f",
        call_id="call_1",
        name=name,
        arguments=arguments,
    )


def put_through(it: Story) -> None:
    """The agent says so and calls the tool, in one response."""
    it.agent_begins("item_1", request=it.request())
    it.delta("item_1", 1000)
    calls_tool(it, "transfer_call", '{"destination": "Front desk"}')
    it.agent_finishes("item_1", "I'll put you through.")


def test_the_model_is_never_told_a_number():
    [update, *_] = story().sent("session.update")
    assert "+1212" not in str(update)
    tool = next(tool for tool in update["session"]["tools"] if tool["name"] == "transfer_call")
    assert tool["parameters"]["properties"]["destination"]["enum"] == ["Front desk"]


def test_a_caller_is_put_through_when_the_agents_words_have_been_heard():
    it = story()
    put_through(it)
    assert [c.destination for c in it.commands if isinstance(c, CheckTransfer)] == ["Front desk"]
    it.happens(TransferChecked("Front desk", None))
    assert it.ending is None, "the words are still being played"
    it.marks_return()
    assert it.ending is not None
    assert (it.ending.reason, it.ending.transfer_to) == ("transferred", "Front desk")
    assert [event.data for event in it.events("call.transferring")] == [{"destination": "Front desk"}]


def test_words_before_a_transfer_are_not_interrupted():
    it = story()
    put_through(it)
    it.happens(TransferChecked("Front desk", None))
    it.caller_speaks("item_u", 400)
    assert not [message for message in it.shown if message["event"] == "clear"]


def test_a_transfer_that_the_guards_refuse_leaves_the_caller_with_an_agent_that_knows():
    it = story()
    put_through(it)
    it.happens(TransferChecked("Front desk", "The guards refuse its number."))
    it.marks_return()
    assert it.ending is None
    [created] = [
        m for m in it.sent("conversation.item.create") if m["item"]["type"] == "function_call_output"
    ]
    assert created["item"]["output"] == "The guards refuse its number."
    assert it.events("call.transfer_failed")[0].data["status"] == "refused"


def test_a_name_that_the_model_made_up_is_checked_like_any_other():
    it = story()
    calls_tool(it, "transfer_call", '{"destination": "+19005550100"}')
    calls_tool(it, "transfer_call", "not JSON")
    assert [c.destination for c in it.commands if isinstance(c, CheckTransfer)] == ["+19005550100"]


def test_an_operators_transfer_is_announced_first():
    it = story()
    it.happens(TransferRequested("Front desk"))
    it.happens(TransferChecked("Front desk", None))
    assert "Front desk" in it.sent("response.create")[-1]["response"]["instructions"]
    it.agent_says("item_1", "One moment.", 500)
    it.marks_return()
    assert it.ending is not None
    assert it.ending.transfer_to == "Front desk"


def test_a_caller_who_hangs_up_before_is_not_put_through():
    it = story()
    put_through(it)
    it.happens(TransferChecked("Front desk", None))
    it.happens(StreamEnded(stopped=True))
    assert it.ending is not None
    assert (it.ending.reason, it.ending.transfer_to) == ("caller_hung_up", None)


def test_words_of_an_operator_are_given_exactly_and_call_no_tool():
    it = story()
    it.happens(SayRequested("Your table is ready."))
    response = it.sent("response.create")[-1]["response"]
    assert '"Your table is ready."' in response["instructions"]
    assert response["tool_choice"] == "none"


def test_words_asked_for_before_the_session_is_ready_are_said_when_it_is():
    it = Story()
    it.opened()
    it.happens(SayRequested("One."))
    it.happens(SayRequested("Two."))
    assert not it.sent("response.create")
    it.configured()
    assert '"One."' in it.sent("response.create")[0]["response"]["instructions"]
    it.agent_says("item_1", "One.", 100)
    assert '"Two."' in it.sent("response.create")[1]["response"]["instructions"]


def test_urgent_words_cut_what_the_agent_is_saying():
    it = story()
    it.agent_begins("item_1", request=it.request())
    it.delta("item_1", 3000)
    it.happens(SayRequested("Please leave the building.", interrupt=True))
    assert it.sent("response.cancel")
    assert [message for message in it.shown if message["event"] == "clear"]


def machine(on_machine: Any) -> Story:
    return story(voicemail=Voicemail(on_machine=on_machine, message="Call us back."))


def test_a_message_is_left_when_twilio_tells_of_the_beep():
    it = machine("leave_message")
    it.agent_begins("item_1", request=it.request())
    it.delta("item_1", 3000)
    it.happens(MachineDetected("machine_end_beep"))
    assert it.sent("response.cancel"), "nothing else is said to a mailbox"
    it.response_done("resp_1", status="cancelled")
    assert '"Call us back."' in it.sent("response.create")[-1]["response"]["instructions"]
    it.agent_says("item_2", "Call us back.", 1500, response_id="resp_2")
    assert it.ending is None
    it.marks_return()
    assert it.ending is not None
    assert it.ending.reason == "voicemail"


def test_a_long_message_is_not_cut_short():
    it = machine("leave_message")
    it.happens(MachineDetected("machine_end_beep"))
    it.agent_begins("item_2", request=it.request())
    it.delta("item_2", 60_000)
    it.later(50)
    assert it.ending is None


def test_a_reported_machine_is_left_a_message_once_it_is_silent():
    it = machine("leave_message")
    it.happens(MachineDetected("human"))
    calls_tool(it, "report_voicemail", "{}")
    it.later(5)
    assert '"Call us back."' in it.sent("response.create")[-1]["response"]["instructions"]
    assert [event.data["by"] for event in it.events("call.answered_by")] == ["twilio", "agent"]


def test_a_mailbox_that_hangs_up_on_the_message_was_one_all_the_same():
    it = machine("leave_message")
    it.happens(MachineDetected("machine_end_beep"))
    it.happens(StreamEnded(stopped=True))
    assert it.ending is not None
    assert it.ending.reason == "voicemail"


def test_a_machine_is_hung_up_on_at_once():
    it = machine("hang_up")
    it.happens(MachineDetected("machine_start"))
    assert it.ending is not None
    assert it.ending.reason == "voicemail"
    assert it.totals().answered_by == "machine_start"


def test_an_agent_that_is_to_carry_on_does():
    it = machine("carry_on")
    it.happens(MachineDetected("machine_start"))
    calls_tool(it, "report_voicemail", "{}")
    it.happens(DeadlinePassed())
    assert it.ending is None
    assert it.totals().answered_by == "machine_start"
