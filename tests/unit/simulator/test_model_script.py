from __future__ import annotations

import pytest

from simulator.model.reply import CallFunction, CloseSocket, Fail, FunctionOutput, Say, SendRaw, Turn
from simulator.model.script import Asked, Heard, Returned, Script, Silence, Step, script_from_json


def turn(
    cause: str = "caller", caller: str | None = None, asked: str | None = None, *outputs: FunctionOutput
) -> Turn:
    return Turn(cause, caller, "Be kind.", asked, outputs, (), ())  # type: ignore[arg-type]


def test_steps_are_played_in_order() -> None:
    script = Script(
        Step(Asked("Say: hi"), Say("Hi.")), Step(Heard("Who is it?"), Say("Me."), CallFunction("end_call"))
    )
    assert script.reply(turn("asked", asked="Say: hi there")) == (Say("Hi."),)
    assert script.leftovers() == ["step 2: never happened: Heard(text='Who is it?')"]
    assert script.reply(turn(caller="who is it")) == (Say("Me."), CallFunction("end_call"))
    assert (script.problems, script.leftovers()) == ([], [])


@pytest.mark.parametrize(
    ("expected", "came"),
    [
        (Heard("Yes"), turn(caller="No")),
        (Heard("Yes"), turn(caller=None)),
        (Heard(None), turn(caller="Yes")),
        (Heard("Yes"), turn("asked", caller="Yes")),
        (Asked("Say"), turn("asked")),
        (Asked(), turn("silence")),
        (Returned("lookup"), turn("asked")),
        (Returned("lookup", "found"), turn("asked", None, None, FunctionOutput("lookup", "lost"))),
        (Silence(), turn(caller="Yes")),
    ],
)
def test_what_was_not_expected_is_a_problem(expected: Heard | Asked | Returned | Silence, came: Turn) -> None:
    script = Script(Step(expected, Say("Fine.")))
    assert script.reply(came) == ()
    assert len(script.problems) == 1
    assert str(expected) in script.problems[0]


def test_a_turn_too_many_is_a_problem() -> None:
    script = Script()
    assert script.reply(turn(caller="Hello?")) == ()
    assert script.problems == ["after the last step: the caller said 'Hello?'"]


def test_scripts_can_be_data() -> None:
    script = script_from_json(
        [
            {"asked": None, "then": [{"say": "Hi."}]},
            {"heard": "Order 7", "then": [{"call": "lookup", "arguments": {"id": 7}}]},
            {"returned": "lookup", "output": "ok", "then": [{"fail": "server_error"}]},
            {"silence": True, "then": [{"raw": "x"}, {"close": 1011, "reason": "y"}]},
            {"heard": None},
        ]
    )
    assert script.reply(turn("asked")) == (Say("Hi."),)
    assert script.reply(turn(caller="order 7")) == (CallFunction("lookup", {"id": 7}),)
    assert script.reply(turn("asked", None, None, FunctionOutput("lookup", "ok"))) == (Fail("server_error"),)
    assert script.reply(turn("silence")) == (SendRaw("x"), CloseSocket(1011, "y"))
    assert script.reply(turn()) == ()
    assert script.problems == []


@pytest.mark.parametrize(
    "steps", [[{}], [{"heard": 7}], [{"asked": None, "then": [{"sing": "la"}]}], [{"silence": False}]]
)
def test_a_script_that_is_not_understood_is_refused_by_step(steps: list[dict[str, object]]) -> None:
    with pytest.raises(ValueError, match="step 1"):
        script_from_json(steps)
