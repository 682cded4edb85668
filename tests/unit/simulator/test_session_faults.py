"""What a session does wrong on request, and that a history written by the client is known to it."""

from __future__ import annotations

import pytest

from simulator.audio import mulaw
from simulator.model.handshake_faults import HandshakeFault, HandshakeFaults
from simulator.model.reply import Say
from simulator.model.script import Heard, Script, Step
from tests.unit.simulator.talk import PHONE, Talk, types, voice


def written(role: str, text: str, id_: str) -> dict[str, object]:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"id": id_, "type": "message", "role": role, "content": [{"type": kind, "text": text}]}


def said_last(talk: Talk) -> str:
    return talk.last("response.output_audio_transcript.done")["transcript"]


def history(talk: Talk) -> None:
    for item in (
        written("user", "Hello, my name is Ann.", "line_1"),
        written("assistant", "Hello Ann, how can I help?", "line_2"),
        {"type": "function_call", "id": "call_1", "call_id": "c1", "name": "look_up", "arguments": "{}"},
        {"type": "function_call_output", "id": "out_1", "call_id": "c1", "output": "shipped"},
        written("assistant", "It is on its way.", "line_3"),
    ):
        assert types(talk.send("conversation.item.create", item=item)) == [
            "conversation.item.added",
            "conversation.item.done",
        ]


def test_a_history_of_the_clients_is_held_in_order_and_answered_from() -> None:
    talk = Talk()
    history(talk)
    talk.say("What did I say my name was?")
    talk.finish()
    assert said_last(talk) == "You said that your name is Ann."
    items = talk.session.record.items
    assert [item.id for item in items[:5]] == ["line_1", "line_2", "call_1", "out_1", "line_3"]
    assert [item.role for item in items] == ["user", "assistant", "", "", "assistant", "user", "assistant"]
    assert items[5].text == "What did I say my name was?"
    assert items[6].audio_ms > 0


def test_without_a_history_nothing_is_known() -> None:
    talk = Talk()
    talk.say("What did I say my name was?")
    talk.finish()
    assert said_last(talk) == "You have not told me your name."


def test_what_the_history_answered_is_not_answered_again() -> None:
    """A tool's result that the model has already told must not be told a second time."""
    talk = Talk()
    history(talk)
    talk.say("Do you open early?")
    talk.finish()
    assert said_last(talk) == "We open at nine."


def test_a_script_can_ask_what_the_session_remembers() -> None:
    script = Script(Step(Heard("Hi."), Say("Yes?"), remembers=("my name is Ann", "my name is Bob")))
    talk = Talk(script)
    history(talk)
    talk.say("Hi.")
    [problem] = script.problems
    assert "'my name is Bob' is not remembered" in problem


def test_audio_that_came_while_nobody_listened_is_committed_by_hand_and_transcribed() -> None:
    """No turn detection, so no answer; switched on later, it answers the next turn."""
    talk = Talk()
    talk.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": None}}})
    assert talk.say("Hello?") == []
    assert types(talk.send("input_audio_buffer.commit"))[:1] == ["input_audio_buffer.committed"]
    later = talk.wait(2)
    assert talk.last("conversation.item.input_audio_transcription.completed")["transcript"] == "Hello?"
    assert "response.created" not in types(later)
    talk.send("session.update", session=PHONE)
    talk.say("Do you open early?")
    talk.finish()
    assert said_last(talk) == "We open at nine."


def test_a_response_that_stalls_never_ends_until_it_is_cancelled() -> None:
    talk = Talk(Script(Step(Heard("Hi."), Say("A rather long answer to a short word."))))
    talk.say("Hi.")
    talk.wait(0.8)
    talk.fail("stall")
    assert talk.wait(60) == []
    assert types(talk.send("response.cancel"))[-2] == "response.done"
    assert talk.last("response.done")["response"]["status"] == "cancelled"


@pytest.mark.parametrize(("fault", "responses"), [("no_response", 0), ("empty_response", 1), ("silence", 1)])
def test_one_turn_is_answered_by_nothing_that_can_be_heard(fault: str, responses: int) -> None:
    talk = Talk()
    talk.fail(fault)  # type: ignore[arg-type] (a parameter)
    talk.say("When do you open?")
    talk.finish()
    assert len(talk.all("response.done")) == responses
    for delta in talk.all("response.output_audio.delta"):
        assert set(talk.audio_of(delta["item_id"])) == {mulaw.SILENCE}
    talk.say("When do you open?")
    talk.finish()
    assert said_last(talk) == "We open at nine."


def test_a_session_expires_when_it_is_asked_to() -> None:
    talk = Talk()
    talk.hear(voice("Hello"))
    talk.fail("expire")
    assert talk.last("error")["error"]["code"] == "session_expired"
    assert talk.closed is not None and talk.closed.code == 1001


def test_connections_are_refused_so_many_times_or_for_so_long() -> None:
    faults = HandshakeFaults()
    faults.add(HandshakeFault(status=429, times=2), now=0.0)
    faults.add(HandshakeFault(status=503, seconds=5.0), now=0.0)
    taken = [faults.take(now) for now in (1.0, 2.0, 3.0, 4.9, 5.0, 6.0)]
    assert [fault and fault.status for fault in taken] == [429, 429, 503, 503, None, None]


@pytest.mark.parametrize(
    "prompt", ["Repeat what the caller says.", "You are kind. Repeat all the caller says."]
)
def test_an_echo_repeats_each_turn(prompt: str) -> None:
    talk = Talk(session=PHONE | {"instructions": prompt})
    talk.say("Line seven of call three.")
    talk.finish()
    said = said_last(talk)
    assert said == "You said: Line seven of call three."


CARRY_ON = "The line broke for a moment and cut you off. Carry on, without greeting again."


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (("assistant", "You said: Line seven"), "Sorry, as I was saying: of call three."),
        (("assistant", "You said: Line seven of call three."), "Sorry, the line broke for a moment."),
        (("user", "Line eight."), "Sorry, the line broke. You said: Line eight."),
    ],
)
def test_after_a_break_the_practice_brain_goes_on_where_it_was(last: tuple[str, str], said: str) -> None:
    talk = Talk(session=PHONE | {"instructions": "Repeat what the caller says."})
    for number, (role, text) in enumerate((("user", "Line seven of call three."), last)):
        talk.send("conversation.item.create", item=written(role, text, f"line_{number}"))
    talk.send("response.create", response={"instructions": CARRY_ON})
    talk.finish()
    assert said_last(talk).startswith(said)


@pytest.mark.parametrize(
    ("begun", "asked", "said"),
    [
        (None, CARRY_ON, "This is what I found: It is on its way."),
        (None, None, "This is what I found: It is on its way."),
        ("This is what I", CARRY_ON, "Sorry, as I was saying: found: It is on its way."),
    ],
)
def test_what_a_function_has_returned_is_not_asked_for_again(
    begun: str | None, asked: str | None, said: str
) -> None:
    tool = {"type": "function", "name": "look_up", "description": "", "parameters": {"type": "object"}}
    talk = Talk(session=PHONE | {"tools": [tool]})
    call = {"type": "function_call", "call_id": "call_1", "name": "look_up", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "call_1", "output": "It is on its way."}
    talk.send("conversation.item.create", item=written("user", "Look up order seven.", "line_1"))
    talk.send("conversation.item.create", item=call)
    talk.send("conversation.item.create", item=output)
    if begun is not None:
        talk.send("conversation.item.create", item=written("assistant", begun, "line_2"))
    talk.send("response.create", response={"instructions": asked} if asked else {})
    talk.finish()
    assert said in said_last(talk)
    assert not talk.all("response.function_call_arguments.done")
