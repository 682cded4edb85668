"""What a person with a phone does: picks up or not, says these lines, hangs up."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

PickUp = Literal["answers", "busy", "never_answers", "unreachable"]
AnswersAs = Literal["person", "mailbox", "fax"]
"""Who picks up: a mailbox says its lines, beeps and records; a fax says nothing a person could use."""
HangUp = Literal["after_answer", "after_lines", "never"]


class BadBehaviour(ValueError):
    """A behaviour that cannot be; the message says what is wrong with it."""


class Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that the person says or does: when the agent has finished speaking, unless told otherwise."""

    say: str = ""
    wav: str = ""
    """A recording to play instead: base64 of a WAV file of 16-bit PCM."""
    audio: bytes = b""
    """Prepared 8 kHz mu-law to play instead, exactly as it is."""
    beep: bool = False
    """The tone after which a mailbox records."""
    dtmf: str = ""
    """Keys to press: 0-9 * # and `w` for half a second."""
    delay_ms: int | None = None
    """Said so long after the last line (or the answer), whatever the agent does."""
    interrupt_after_ms: int | None = None
    """Said so long into the agent's next speech."""
    after_keys: str = ""
    """Said when the agent has pressed these keys, as tones: how a menu goes on."""


class Behaviour(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pick_up: PickUp = "answers"
    answers_as: AnswersAs = "person"
    taken_for: str = ""
    """What answering machine detection says at once, right or wrong; by default it finds out."""
    answers_after_ms: int = 1_500
    """Of ringing."""
    lines: tuple[Line, ...] = ()
    hangs_up: HangUp = "after_answer"
    """`after_answer`: when the agent has answered the last line; `never`: waits for the agent to hang up."""
    hangs_up_after_ms: int | None = None
    """Hangs up so long after the call was answered, whatever goes on."""
    silence_ms: int = 1_100
    """The agent has finished when nothing was heard for so long."""
    patience_ms: int = 8_000
    """Goes on after so long without a word from the agent."""


DEFAULT = Behaviour(
    lines=(
        Line(say="Hello?", delay_ms=400),
        Line(say="Yes, that sounds good. Thank you, goodbye."),
    ),
    hangs_up_after_ms=120_000,
)
"""What any number does that nobody has said anything about."""


def mailbox(greeting: str, *, beeps: bool = True) -> Behaviour:
    """Says this, beeps, records until nobody has spoken for two seconds, hangs up."""
    beep = (Line(beep=True, delay_ms=600),) if beeps else ()
    return Behaviour(
        answers_as="mailbox",
        answers_after_ms=100,
        lines=(Line(say=greeting, delay_ms=300), *beep),
        hangs_up="after_answer",
        silence_ms=2_000,
        patience_ms=20_000,
    )


def from_json(data: object) -> Behaviour:
    """A behaviour as the desk takes it; unknown fields and impossible values raise BadBehaviour."""
    try:
        behaviour = msgspec.convert(data, Behaviour)
    except msgspec.ValidationError as error:
        raise BadBehaviour(str(error)) from None
    for line in behaviour.lines:
        check(line)
    return behaviour


def check(line: Line) -> None:
    """Raises BadBehaviour."""
    if sum(map(bool, (line.say, line.wav, line.audio, line.beep, line.dtmf))) != 1:
        raise BadBehaviour("Each line has exactly one of say, wav, audio, beep and dtmf.")
    if set(line.dtmf) - set("0123456789*#w"):
        raise BadBehaviour("dtmf is made of 0-9, *, # and w (half a second).")
    if set(line.after_keys) - set("0123456789*#ABCD"):
        raise BadBehaviour("after_keys is made of 0-9, *, # and A-D.")


def as_json(behaviour: Behaviour) -> dict[str, Any]:
    return msgspec.to_builtins(behaviour)
