"""Sessions and streams are lost; the caller is still in the conversation, and the agent knows what was
said."""

from __future__ import annotations

import base64

import pytest

from bridge.call.agent import ServerVad
from bridge.call.commands import (
    CloseModel,
    MoveStream,
    OpenModel,
    RunTool,
    SaveLine,
    SendToModel,
    StreamWorks,
    UseModel,
)
from bridge.call.engine import ToolRan
from bridge.call.events import (
    ModelClosed,
    ModelUnreachable,
    StreamEnded,
    StreamOffered,
    StreamStarted,
    ToolReturned,
)
from bridge.call.past import RESULT_UNKNOWN, Past, PastLine
from bridge.call.tools import EndCallTool, FunctionTool, ToolWebhook
from tests.unit.bridge.call.story import Story, audio

LOOK_UP = FunctionTool(name="look_up_order", webhook=ToolWebhook(url="https://example.com/"))


def opened_sessions(story: Story) -> list[int]:
    return [command.session for command in story.commands if isinstance(command, OpenModel)]


def session_back(story: Story, session: int = 2) -> None:
    story.opened(session)
    story.configured()


def lost(story: Story, code: int = 1006) -> None:
    story.happens(ModelClosed(code, "", story.session))
    story.later(0.01)


def told(story: Story) -> list[tuple[str, str]]:
    """What the newest session was told of the past."""
    items = [message["item"] for message in story.sent("conversation.item.create")]
    return [
        (item.get("role", item["type"]), item["content"][0]["text"] if "content" in item else item["call_id"])
        for item in items
    ]


def instructions(story: Story) -> list[str | None]:
    return [request["response"].get("instructions") for request in story.sent("response.create")]


# The model's socket


def test_another_session_is_opened_at_once_and_told_what_was_said():
    story = Story().live()
    story.agent_says("item_1", "Good morning.", 1000)
    story.marks_return()
    story.caller_speaks("item_u")
    transcribed(story, "item_u", "I am Ada.")
    story.model("response.created", response={"id": "resp_2"})
    lost(story)
    assert opened_sessions(story) == [1, 2]
    story.said.clear()
    session_back(story)
    assert told(story) == [("assistant", "Good morning."), ("user", "I am Ada.")]
    assert instructions(story) == [None], "what the caller said last is still to be answered"
    assert UseModel(2) in story.commands
    [event] = story.events("model.resumed")
    assert event.data["lost_for_ms"] < 100
    assert story.ending is None


def transcribed(story: Story, item_id: str, text: str) -> None:
    story.model("conversation.item.input_audio_transcription.completed", item_id=item_id, transcript=text)


def test_an_agent_that_was_cut_carries_on_from_what_the_caller_will_have_heard():
    story = Story().live()
    story.agent_begins("item_1")
    story.delta("item_1", 2000)
    words = "one two three four five six seven eight nine ten eleven twelve"
    story.model("response.output_audio_transcript.delta", item_id="item_1", delta=words)
    lost(story)
    story.said.clear()
    session_back(story)
    [(role, text)] = told(story)
    assert role == "assistant"
    assert words.startswith(text) and "one two" in text and "twelve" not in text
    [asked] = instructions(story)
    assert asked is not None and "Carry on" in asked
    story.marks_return()
    assert story.lines() == [("agent", text)]


def test_a_greeting_that_was_never_heard_is_given_by_the_next_session():
    story = Story(greeting="Hello there.").live()
    lost(story)
    story.said.clear()
    session_back(story)
    assert told(story) == []
    [asked] = instructions(story)
    assert asked is not None and "Hello there." in asked
    assert "Hello there." in str(story.sent("session.update")[0]["session"]["instructions"])


def test_a_greeting_that_was_heard_is_not_given_again():
    story = Story(greeting="Hello there.").live()
    story.agent_begins("item_1", request=story.request())
    story.delta("item_1", 800)
    story.agent_finishes("item_1", "Hello there.")
    story.marks_return()
    lost(story)
    story.said.clear()
    session_back(story)
    assert instructions(story) == []
    assert "Hello there." not in str(story.sent("session.update")[0]["session"]["instructions"])


def test_what_the_caller_was_saying_is_heard_again_and_stands_in_the_transcript_once():
    story = Story().live()
    story.model("input_audio_buffer.speech_started", item_id="item_u", audio_start_ms=0)
    story.caller_audio(600)
    lost(story)
    kept = story.caller_audio(300)
    assert kept == [""] * 15
    story.said.clear()
    session_back(story)
    assert len(story.sent("input_audio_buffer.append")) == 45
    assert instructions(story) == [], "the model answers by itself when it has heard the caller out"
    story.model("input_audio_buffer.speech_stopped", item_id="item_v", audio_end_ms=900)
    story.model("input_audio_buffer.committed", item_id="item_v", previous_item_id=None)
    transcribed(story, "item_v", "My name is Ada.")
    assert story.lines() == [("caller", "My name is Ada.")]


def test_what_was_silence_before_the_caller_began_to_speak_is_not_heard_again():
    """But half a second of it: the model names the beginning of speech late rather than early."""
    story = Story().live()
    story.caller_audio(2000)
    story.model("input_audio_buffer.speech_started", item_id="item_u", audio_start_ms=1800)
    story.caller_audio(400)
    lost(story)
    story.said.clear()
    session_back(story)
    assert len(story.sent("input_audio_buffer.append")) == (2400 - 1800 + 500) // 20


def test_what_was_said_before_and_is_not_understood_yet_is_heard_again_with_the_next_words():
    story = Story().live()
    story.caller_audio(200)
    story.model("input_audio_buffer.speech_started", item_id="item_u", audio_start_ms=200)
    story.caller_audio(800)
    story.model("input_audio_buffer.speech_stopped", item_id="item_u", audio_end_ms=1000)
    story.caller_audio(1000)
    story.model("input_audio_buffer.speech_started", item_id="item_v", audio_start_ms=1900)
    story.caller_audio(200)
    lost(story)
    story.said.clear()
    session_back(story)
    assert len(story.sent("input_audio_buffer.append")) == 2200 // 20


def test_what_was_answered_before_it_came_back_as_text_is_written_down_all_the_same():
    """The next session hears it as a finished item, with turn detection off: nobody answers it twice."""
    story = Story().live()
    story.caller_speaks("item_u")
    story.agent_begins("item_1")
    story.delta("item_1", 1000)
    story.model("response.output_audio_transcript.delta", item_id="item_1", delta="It is nine.")
    lost(story)
    story.said.clear()
    session_back(story)
    kinds = [message["type"] for message in story.said]
    commit = kinds.index("input_audio_buffer.commit")
    detection = [
        message["session"]["audio"]["input"]["turn_detection"] for message in story.sent("session.update")
    ]
    assert detection[1] is None and detection[2] is not None
    assert (
        kinds.index("input_audio_buffer.append")
        < commit
        < kinds.index("conversation.item.create", commit - 1)
    )
    story.model("input_audio_buffer.committed", item_id="item_new", previous_item_id=None)
    item = {"id": "item_new", "type": "message", "role": "user", "content": []}
    story.model("conversation.item.added", previous_item_id=None, item=item)
    transcribed(story, "item_new", "What time is it?")
    assert story.lines()[0] == ("caller", "What time is it?")
    assert not [request for request in story.sent("response.create") if request["response"] == {}]


def test_audio_that_a_dead_line_swallowed_is_heard_by_the_next_session():
    """Half open: nothing was detected, and what the caller said in the meantime was lost with it."""
    story = Story().live()
    loud = base64.b64encode(bytes([0x20]) * 160).decode()
    story.caller_audio(1000, payload=loud)
    story.caller_audio(800, payload=audio(20, byte=0xFF))
    story.happens(ModelClosed(1006, "silent", 1))
    story.later(0.01)
    story.said.clear()
    session_back(story)
    assert len(story.sent("input_audio_buffer.append")) == 90
    assert instructions(story) == []


def test_a_caller_who_waits_hears_a_line_from_memory_and_then_another():
    story = Story().live()
    story.caller_speaks("item_u")
    transcribed(story, "item_u", "Are you there?")
    lost(story)
    story.later(1.6)
    assert [event.data["text"] for event in story.events("agent.line_played")] == ["One moment, please."]
    story.marks_return()
    for _ in range(3):
        story.happens(ModelUnreachable(False, "503", "HTTP 503", opened_sessions(story)[-1]))
        story.later(2.2)
    assert len(story.events("agent.line_played")) == 2


def test_a_slow_answer_is_not_silence_though_nothing_was_lost():
    story = Story().live()
    story.caller_speaks("item_u")
    story.later(1.4)
    assert not story.events("agent.line_played")
    story.later(0.2)
    assert story.events("agent.line_played")


def test_tries_go_on_until_it_is_too_late_and_end_in_an_apology():
    story = Story().live()
    story.caller_speaks("item_u")
    lost(story)
    while story.now < 113 and not story.call.ended:
        story.happens(ModelUnreachable(False, "503", "HTTP 503", opened_sessions(story)[-1]))
        story.later(0.6)
        story.marks_return()
    assert len(opened_sessions(story)) > 15
    assert story.ending is not None
    assert (story.ending.reason, story.ending.caller_gone) == ("model_lost", False)
    assert story.events("agent.line_played")[-1].data["text"].startswith("I am sorry")


def test_a_refusal_on_the_way_back_is_not_tried_against():
    story = Story().live()
    lost(story)
    story.happens(ModelUnreachable(True, "invalid_api_key", "No.", 2))
    story.marks_return()
    assert story.ending is not None
    assert story.ending.reason == "model_refused"


def test_sessions_that_are_lost_as_soon_as_they_are_there_are_not_tried_for_ever():
    story = Story().live()
    for session in range(1, 12):
        if story.call.ended:
            break
        story.session = session
        lost(story)
        story.later(0.7)
        if not story.call.ended:
            session_back(story, session + 1)
        story.marks_return()
    assert story.ending is not None
    assert len(opened_sessions(story)) < 10


def test_a_tool_that_returns_while_there_is_no_session_is_told_to_the_next_one():
    story = Story(tools=[EndCallTool(), LOOK_UP]).live()
    story.caller_speaks("item_u")
    transcribed(story, "item_u", "Where is my order?")
    story.model("response.created", response={"id": "resp_1"})
    call_tool(story)
    story.response_done()
    lost(story)
    story.happens(ToolReturned("call_1", '{"status": "sent"}', True, 200, 40))
    story.said.clear()
    session_back(story)
    assert told(story) == [
        ("user", "Where is my order?"),
        ("function_call", "call_1"),
        ("function_call_output", "call_1"),
    ]
    assert instructions(story) == [None]
    assert len([command for command in story.commands if isinstance(command, RunTool)]) == 1


def test_a_tool_that_was_called_before_its_question_came_back_as_text_is_not_asked_for_again():
    """Heard again, the question would be answered again."""
    story = Story(tools=[EndCallTool(), LOOK_UP]).live()
    story.caller_speaks("item_u")
    story.model("response.created", response={"id": "resp_1"})
    call_tool(story)
    story.response_done()
    lost(story)
    story.said.clear()
    session_back(story)
    assert story.sent("input_audio_buffer.commit"), "it is told as sound that nobody answers"
    assert instructions(story) == [], "the result is awaited"


def call_tool(story: Story) -> None:
    story.model(
        "response.function_call_arguments.done",
        item_id="item_f",
        call_id="call_1",
        name="look_up_order",
        arguments="{}",
    )


def test_a_tool_that_still_runs_answers_to_the_next_session():
    story = Story(tools=[EndCallTool(), LOOK_UP]).live()
    story.caller_speaks("item_u")
    transcribed(story, "item_u", "Where is my order?")
    story.model("response.created", response={"id": "resp_1"})
    call_tool(story)
    story.response_done()
    lost(story)
    session_back(story)
    assert instructions(story) == [], "the result is awaited"
    story.said.clear()
    story.happens(ToolReturned("call_1", "{}", True, 200, 40))
    assert told(story) == [("function_call_output", "call_1")]
    assert instructions(story) == [None]


def test_messages_of_a_session_that_is_gone_change_nothing():
    story = Story().live()
    lost(story)
    story.session = 1
    story.model("response.created", response={"id": "resp_9"})
    assert story.call.quiet


# Its time runs out


def test_a_call_of_three_hours_passes_through_four_sessions_and_nobody_hears_it():
    story = Story(max_call_seconds=14_400, caller_silent_seconds=3600).live()
    for minute in range(180):
        story.later(60)
        newest = opened_sessions(story)[-1]
        if newest != story.session:
            session_back(story, newest)
        item = f"item_{minute}"
        story.agent_says(item, f"Minute {minute}.", 500, f"resp_{minute}")
        story.marks_return()
    assert len(opened_sessions(story)) == 4
    assert story.ending is None
    assert [c.session for c in story.commands if isinstance(c, UseModel)] == [1, 2, 3, 4]
    assert [c.session for c in story.commands if isinstance(c, CloseModel)] == [1, 2, 3]
    assert not story.events("model.lost") and not story.events("agent.line_played")
    assert len(story.lines()) == 180


def test_a_successor_waits_for_a_quiet_moment():
    story = Story(max_call_seconds=14_400, caller_silent_seconds=3600).live()
    story.later(3600 - 360)
    story.session = 1
    story.agent_begins("item_1")
    story.delta("item_1", 2000)
    story.opened(2)
    story.configured()
    assert UseModel(2) not in story.commands
    story.session = 1
    story.agent_finishes("item_1", "This is long.")
    assert UseModel(2) not in story.commands, "it is still being heard"
    story.marks_return()
    assert UseModel(2) in story.commands
    texts = [c for c in story.commands if isinstance(c, SendToModel) and c.session == 2]
    assert any("This is long." in command.text for command in texts)


# A model that is there and does nothing


def test_a_model_that_does_not_answer_is_asked_again_and_then_replaced():
    story = Story().live()
    story.caller_speaks("item_u")
    transcribed(story, "item_u", "Hello?")
    story.later(4.1)
    assert len(story.sent("response.create")) == 1
    story.later(4.1)
    assert opened_sessions(story) == [1, 2]


def test_a_sentence_that_breaks_off_is_filled_and_asked_for_again():
    story = Story().live()
    story.caller_speaks("item_u")
    transcribed(story, "item_u", "Hello?")
    story.agent_begins("item_1")
    story.delta("item_1", 500)
    story.marks_return()
    story.later(1.6)
    assert story.events("agent.line_played")
    story.marks_return()
    story.later(3)
    assert story.sent("response.cancel")
    story.response_done(status="cancelled")
    assert len(story.sent("response.create")) == 1


def test_a_model_that_thinks_is_given_time():
    story = Story().live()
    story.caller_speaks("item_u")
    story.model("response.created", response={"id": "resp_1"})
    story.later(11)
    assert not story.sent("response.create")
    story.later(2)
    assert story.sent("response.cancel")


def test_a_response_that_never_ends_is_ended():
    story = Story().live()
    story.agent_begins("item_1")
    story.delta("item_1", 500)
    story.marks_return()
    story.later(130)
    assert opened_sessions(story)[:2] == [1, 2]


def test_audio_in_which_there_is_nothing_is_cut_and_asked_for_again():
    story = Story().live()
    story.caller_speaks("item_u")
    story.model("response.created", response={"id": "resp_1"})
    for _ in range(10):
        quiet = audio(200, byte=0xFF)
        story.model("response.output_audio.delta", response_id="resp_1", item_id="item_1", delta=quiet)
        story.model("response.output_audio_transcript.delta", item_id="item_1", delta="a ")
    assert [message["event"] for message in story.shown].count("clear") == 1
    assert story.sent("response.cancel")
    story.response_done(status="cancelled")
    assert len(story.sent("response.create")) == 1


# Twilio's media socket


def test_a_lost_stream_is_waited_for_and_what_was_not_heard_is_known():
    story = Story().live()
    story.agent_begins("item_1")
    story.delta("item_1", 2000)
    story.model("response.output_audio_transcript.delta", item_id="item_1", delta="one two three four")
    story.marks_before_audio_return()
    story.caller_audio(1000)
    story.happens(StreamEnded(stopped=False))
    assert story.ending is None
    assert story.sent("response.cancel")
    [truncate] = story.sent("conversation.item.truncate")
    assert 900 <= truncate["audio_end_ms"] <= 1000
    story.response_done(status="cancelled")
    [asked] = instructions(story)
    assert asked is not None and "Carry on" in asked
    story.agent_begins("item_2", "resp_2", request=story.request())
    story.delta("item_2", 500, "resp_2")
    story.shown.clear()
    story.stream_ms = 0
    story.later(0.6)
    story.happens(StreamStarted("MZ2"))
    assert {message["streamSid"] for message in story.shown} == {"MZ2"}
    assert [message["event"] for message in story.shown] == ["mark", "media", "mark"]
    [event] = story.events("stream.resumed")
    assert event.data["lost_for_ms"] == 600


def test_a_silent_conversation_resumes_in_silence():
    story = Story().live()
    story.happens(StreamEnded(stopped=False))
    story.later(0.5)
    story.happens(StreamStarted("MZ2"))
    assert instructions(story) == []
    assert story.shown == []


def test_twilio_is_told_to_open_a_stream_when_it_does_not_ask():
    story = Story().live()
    story.happens(StreamEnded(stopped=False))
    story.later(0.9)
    assert MoveStream() not in story.commands
    story.later(0.2)
    assert MoveStream() in story.commands


def test_twilio_is_told_at_once_where_it_cannot_know():
    story = Story().live()
    story.happens(StreamEnded(stopped=False, silent=True))
    assert MoveStream() in story.commands


def test_twilio_is_not_told_when_it_has_asked():
    story = Story().live()
    story.happens(StreamEnded(stopped=False))
    story.happens(StreamOffered())
    story.later(5)
    assert MoveStream() not in story.commands


def test_a_stream_that_does_not_come_back_ends_the_call():
    story = Story().live()
    story.happens(StreamEnded(stopped=False))
    story.later(15.1)
    assert story.ending is not None
    assert (story.ending.reason, story.ending.caller_gone) == ("stream_lost", False)


@pytest.mark.parametrize(("ms", "works"), [(2000, True), (200, False)])
def test_only_a_stream_that_carries_audio_counts_as_working(ms: int, works: bool):
    story = Story().live()
    story.happens(StreamEnded(stopped=False))
    story.stream_ms = 0
    story.happens(StreamStarted("MZ2"))
    story.caller_audio(ms)
    story.later(3)
    assert (StreamWorks() in story.commands) is works


def test_stream_and_session_lost_together_come_back_together():
    story = Story(greeting="Hello.").live()
    story.agent_says("item_1", "Hello.", 500)
    story.marks_return()
    story.caller_speaks("item_u")
    transcribed(story, "item_u", "Hi.")
    story.happens(StreamEnded(stopped=False))
    lost(story)
    story.stream_ms = 0
    story.happens(StreamStarted("MZ2"))
    story.said.clear()
    session_back(story)
    assert told(story) == [("assistant", "Hello."), ("user", "Hi.")]
    assert story.caller_audio(20)[0]


# Another process


def said(item_id: str, role: str, text: str, start_ms: int, *, partial: bool = False) -> PastLine:
    return PastLine(
        item_id=item_id,
        role=role,
        text=text,
        start_ms=start_ms,
        end_ms=start_ms + 500,
        interrupted=False,
        partial=partial,
    )


def past(
    *, moved: bool = False, partial: bool = False, cut: bool = False, caller_cut_in: bool = False
) -> Past:
    return Past(
        lines=[
            PastLine(
                item_id="item_a", role="agent", text="Hello.", start_ms=0, end_ms=500, interrupted=False
            ),
            PastLine(
                item_id="item_b", role="caller", text="Hi.", start_ms=900, end_ms=1300, interrupted=False
            ),
            PastLine(
                item_id="item_c",
                role="agent",
                text="Let me tell you",
                start_ms=1800,
                end_ms=2600,
                interrupted=cut,
                partial=partial,
            ),
        ],
        caller_cut_in=caller_cut_in,
        usage={"output_audio": 100},
        moved=moved,
    )


@pytest.mark.parametrize(
    ("had", "wanted"),
    [
        (past(), "pick the conversation up"),
        (past(partial=True), "Carry on"),
        (past(cut=True), "Carry on"),
        (past(cut=True, caller_cut_in=True), "pick the conversation up"),
        (past(moved=True), None),
    ],
)
def test_a_call_that_another_process_had_goes_on(had: Past, wanted: str | None):
    story = Story(past=had, greeting="Hello.").live()
    assert told(story) == [("assistant", "Hello."), ("user", "Hi."), ("assistant", "Let me tell you")]
    asked = instructions(story)
    assert asked == [] if wanted is None else wanted in (asked[0] or "")
    assert story.events("stream.resumed")
    story.agent_says("item_d", "More.", 500)
    story.marks_return()
    newest = [line for line in story.commands if isinstance(line, SaveLine)][-1]
    assert (newest.item_id, newest.position) == ("item_d", 3)
    assert story.totals().usage["output_audio"] == 100


@pytest.mark.parametrize(
    ("had", "wanted"), [(past(), "pick the conversation up"), (past(partial=True), "Carry on")]
)
def test_what_is_still_owed_is_asked_of_the_next_session_too(had: Past, wanted: str):
    """Two breaks one after the other: the second must not make the agent forget that there was a first."""
    story = Story(past=had).live()
    lost(story)
    story.said.clear()
    session_back(story)
    [asked] = instructions(story)
    assert wanted in (asked or "")
    story.agent_says("item_d", "Where were we?", 500)
    story.marks_return()
    lost(story)
    story.said.clear()
    session_back(story, 3)
    assert instructions(story) == []


def test_a_line_that_was_being_said_is_closed_at_what_was_heard():
    story = Story(past=past(partial=True)).live()
    [line] = [c for c in story.commands if isinstance(c, SaveLine) and c.item_id == "item_c"]
    assert (line.interrupted, line.partial) == (True, False)


def test_a_tool_that_may_have_been_run_is_not_run_again():
    ran = PastLine(
        item_id="item_f",
        role="tool",
        text="look_up_order: running",
        start_ms=0,
        end_ms=0,
        interrupted=False,
        tool=ToolRan("call_1", "look_up_order", "{}", None),
    )
    story = Story(past=Past(lines=[ran]), tools=[EndCallTool(), LOOK_UP]).live()
    outputs = [m["item"]["output"] for m in story.sent("conversation.item.create") if "output" in m["item"]]
    assert outputs == [RESULT_UNKNOWN]
    assert not [command for command in story.commands if isinstance(command, RunTool)]
    assert story.lines() == [("tool", "look_up_order: result unknown")]


def test_what_is_being_heard_is_noted():
    story = Story(turn_detection=ServerVad()).live()
    story.agent_begins("item_1")
    story.model(
        "response.output_audio_transcript.delta", item_id="item_1", delta="one two three four five six"
    )
    for _ in range(8):
        story.delta("item_1", 400)
    marks = [message["mark"]["name"] for message in story.shown if message["event"] == "mark"]
    noted = story.notes()
    for name in marks[:-1]:
        story.mark_returns(name)
        story.caller_audio(400)
        noted += story.notes()
    assert all(line.partial for line in noted)
    assert [line.end_ms - line.start_ms for line in noted] == [400 * count for count in range(1, 9)]
    assert [noted[0].text, noted[-1].text] == ["one", "one two three four five six"]
    story.mark_returns(marks[-1])
    assert story.notes() == [], "all of it was heard"
