"""Replies by script: expect this, then do that. Whatever comes otherwise, and whatever never comes, is a
problem.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from simulator.model.reply import (
    CallFunction,
    CloseSocket,
    Fail,
    Hush,
    Part,
    Reply,
    Say,
    SendRaw,
    Stall,
    Turn,
)
from simulator.model.shapes import Json


@dataclass(frozen=True, slots=True)
class Heard:
    """The caller said this; case and punctuation do not matter. None: said something that was not
    understood.
    """

    text: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """The client sent `response.create`; its own instructions, if given here, contain this text."""

    instructions: str | None = None


@dataclass(frozen=True, slots=True)
class Returned:
    """The client gave a function's output and asked to go on; the output contains this text."""

    function: str
    output: str = ""


@dataclass(frozen=True, slots=True)
class Silence:
    """`idle_timeout_ms` has passed."""


Expectation = Heard | Asked | Returned | Silence


class Step:
    """`Step(Heard("When do you open?"), Say("At nine."))`. Without parts the model answers nothing."""

    def __init__(self, expected: Expectation, *parts: Part, remembers: tuple[str, ...] = ()) -> None:
        """`remembers`: texts that the session's messages must hold by then, each in one of them."""
        self.expected = expected
        self.parts: Reply = parts
        self.remembers = remembers


class Script:
    """The mind of one session: `Script(Step(...), Step(...))`."""

    def __init__(self, *steps: Step) -> None:
        self.problems: list[str] = []
        self._steps = list(steps)
        self._done = 0

    def reply(self, turn: Turn) -> Reply:
        if self._done == len(self._steps):
            self.problems.append(f"after the last step: {_described(turn)}")
            return ()
        step = self._steps[self._done]
        self._done += 1
        if not _meets(turn, step.expected):
            self.problems.append(f"step {self._done}: expected {step.expected}, but {_described(turn)}")
            return ()
        for text in step.remembers:
            if not any(text in message.text for message in turn.history):
                known = [f"{message.role}: {message.text}" for message in turn.history]
                self.problems.append(f"step {self._done}: {text!r} is not remembered, only {known}")
        return step.parts

    def leftovers(self) -> list[str]:
        left = self._steps[self._done :]
        return [
            f"step {self._done + n}: never happened: {step.expected}" for n, step in enumerate(left, start=1)
        ]


def _words(text: str | None) -> list[str] | None:
    return None if text is None else re.findall(r"\w+", text.lower())


def _meets(turn: Turn, expected: Expectation) -> bool:
    match expected:
        case Heard(text):
            return turn.cause == "caller" and _words(turn.caller) == _words(text)
        case Asked(instructions):
            return turn.cause == "asked" and (instructions is None or instructions in (turn.asked or ""))
        case Returned(function, output):
            return any(given.name == function and output in given.output for given in turn.outputs)
        case Silence():
            return turn.cause == "silence"


def _described(turn: Turn) -> str:
    outputs = f", with the output of {', '.join(o.name for o in turn.outputs)}" if turn.outputs else ""
    match turn.cause:
        case "caller":
            return f"the caller said {turn.caller!r}{outputs}"
        case "asked":
            return f"a response was asked for with instructions {turn.asked!r}{outputs}"
        case "silence":
            return f"the idle timeout passed{outputs}"


def script_from_json(steps: list[Json]) -> Script:
    """A script as data: `[{"heard": "Hello"}, ...]` with the parts beside the expectation.

    One of `heard`, `asked`, `returned` (with `output`), `silence`; and `then`, a list of `{"say": text}`,
    `{"call": name, "arguments": {...}}`, `{"fail": code}`, `{"close": code}`, `{"raw": text}`,
    `{"hush_ms": ms}`, `{"stall": true}`; beside them `remembers`, a list of texts. Raises ValueError with
    the step that is wrong.
    """
    return Script(*(_step(number, step) for number, step in enumerate(steps, start=1)))


def _step(number: int, step: Json) -> Step:
    try:
        expected = _expectation(step)
        remembers = tuple(str(text) for text in step.get("remembers", ()))
        return Step(expected, *map(_part, step.get("then", [])), remembers=remembers)
    except (KeyError, TypeError, ValueError) as wrong:
        raise ValueError(f"step {number} is not understood: {wrong}") from wrong


def _expectation(step: Json) -> Expectation:
    match step:
        case {"heard": str() | None as text}:
            return Heard(text)
        case {"asked": str() | None as instructions}:
            return Asked(instructions)
        case {"returned": str(function)}:
            return Returned(function, str(step.get("output", "")))
        case {"silence": True}:
            return Silence()
        case _:
            raise ValueError("it needs one of heard, asked, returned, silence")


def _part(part: dict[str, Any]) -> Part:
    match part:
        case {"say": str(text)}:
            return Say(text)
        case {"call": str(name)}:
            return CallFunction(name, part.get("arguments", {}))
        case {"raw": str(frame)}:
            return SendRaw(frame)
        case _:
            return _trouble(part)


def _trouble(part: dict[str, Any]) -> Part:
    match part:
        case {"fail": str(code)}:
            return Fail(code, str(part.get("message", "The model could not answer.")))
        case {"close": int(code)}:
            return CloseSocket(code, str(part.get("reason", "")))
        case {"hush_ms": int(ms)}:
            return Hush(ms)
        case {"stall": True}:
            return Stall()
        case _:
            raise ValueError("each part needs one of say, call, fail, close, raw, hush_ms, stall")
