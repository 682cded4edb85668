from __future__ import annotations

from typing import Any

import pytest

from simulator.model.brain import PracticeBrain
from simulator.model.reply import CallFunction, FunctionOutput, Reply, Say, Turn

PROMPT = """You are the friendly receptionist of Bright Teeth, a dental practice.
We are open from nine to five on weekdays. A check-up costs forty pounds.
The practice is at 12 High Street, next to the library. Never give medical advice.
"""
END_CALL = {"type": "function", "name": "end_call"}
LOOKUP = {
    "type": "function",
    "name": "find_booking",
    "parameters": {
        "type": "object",
        "properties": {
            "number": {"type": "integer"},
            "day": {"type": "string", "enum": ["monday", "friday"]},
            "note": {"type": "string"},
        },
        "required": ["number", "day"],
    },
}


def reply(
    caller: str | None = None,
    *,
    cause: str = "caller",
    asked: str | None = None,
    prompt: str = PROMPT,
    outputs: tuple[FunctionOutput, ...] = (),
    notes: tuple[str, ...] = (),
    tools: tuple[dict[str, Any], ...] = (),
) -> Reply:
    return PracticeBrain().reply(Turn(cause, caller, prompt, asked, outputs, notes, tools))  # type: ignore[arg-type]


def said(parts: Reply) -> str:
    [part] = parts
    assert isinstance(part, Say)
    return part.text


@pytest.mark.parametrize(
    ("instructions", "words"),
    [
        ("Say: Hello, Bright Teeth here.", "Hello, Bright Teeth here."),
        ('Greet the caller with exactly: "Good morning!"', "Good morning!"),
        ("Say exactly this, and nothing else: Thank you for calling.", "Thank you for calling."),
        ("Say goodbye to the caller.", "Thank you for calling. Goodbye."),
        ("The caller has been silent. Ask whether they are still there.", "Are you still there?"),
        ("Say in one short sentence that you are hanging up.", "Thank you for calling. Goodbye."),
        ("Greet the caller.", "Hello, how can I help you?"),
    ],
)
def test_it_says_what_it_is_told_to_say(instructions: str, words: str) -> None:
    assert said(reply(cause="asked", asked=instructions)) == words


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("When are you open?", "We are open from nine to five on weekdays."),
        ("What are your opening times?", "We are open from nine to five on weekdays."),
        ("How much does a check-up cost?", "A check-up costs forty pounds."),
        ("Where is the practice?", "The practice is at 12 High Street, next to the library."),
    ],
)
def test_it_answers_with_the_prompts_own_sentences(question: str, answer: str) -> None:
    assert said(reply(question)) == answer


def test_it_admits_what_its_notes_do_not_say() -> None:
    assert "notes say nothing" in said(reply("Do you like jazz?"))


def test_it_does_not_read_out_its_orders() -> None:
    assert "Never" not in said(reply("Can you give medical advice?"))


def test_it_asks_again_when_it_understood_nothing() -> None:
    assert "say it again" in said(reply(None))


def test_it_asks_whether_a_silent_caller_is_there() -> None:
    assert said(reply(cause="silence")) == "Are you still there?"


def test_it_says_goodbye_and_hangs_up_if_it_can() -> None:
    assert reply("Thanks, bye!", tools=(END_CALL,))[1:] == (CallFunction("end_call", {}),)
    assert said(reply("Goodbye.")) == "Thank you for calling. Goodbye."


def test_it_calls_the_function_that_the_caller_names() -> None:
    call = CallFunction("find_booking", {"number": 42, "day": "friday"})
    assert reply("Please find booking 42 for Friday", tools=(END_CALL, LOOKUP)) == (call,)
    assert said(reply("Is there a booking?", tools=(LOOKUP,)))


def test_it_reports_what_a_function_found() -> None:
    outputs = (FunctionOutput("find_booking", "Friday at ten"),)
    assert said(reply(cause="asked", outputs=outputs)) == "This is what I found: Friday at ten"


def test_it_greets_by_the_prompt_when_nothing_else_is_asked() -> None:
    assert (
        said(reply(cause="asked", prompt='Greet with "Bright Teeth, good day."')) == "Bright Teeth, good day."
    )


def test_it_answers_text_that_the_client_wrote() -> None:
    assert (
        said(reply(cause="asked", notes=("When are you open?",)))
        == "We are open from nine to five on weekdays."
    )
