"""A phone's decisions, frame by frame: when it speaks, interrupts, presses keys and hangs up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simulator.audio import mulaw, watermark
from simulator.audio.voice import tones
from simulator.phones.behaviour import BadBehaviour, Behaviour, Line, from_json
from simulator.phones.ear import STILL, Ear
from simulator.phones.phone import Phone, PreparedLine

AGENT = watermark.embed(tones("How can I help you today?", "agent"), "How can I help you today?")


def keys(pressed: str) -> bytes:
    """As a telephone sounds them."""
    rows = {
        key: hertz
        for hertz, row in zip((697, 770, 852, 941), ("123", "456", "789", "*0#"), strict=True)
        for key in row
    }
    columns = {
        key: hertz
        for hertz, column in zip((1209, 1336, 1477), ("147*", "2580", "369#"), strict=True)
        for key in column
    }
    seconds = np.arange(80 * 8) / 8_000
    sound = b""
    for key in pressed:
        both = sum(6_000 * np.sin(2 * np.pi * hertz * seconds) for hertz in (rows[key], columns[key]))
        sound += mulaw.encode(np.asarray(both).astype(np.int16)) + mulaw.silence(80)
    return sound


class Conversation:
    """A phone that hears what it is given, and what came of it."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.keys: list[tuple[int, str]] = []
        self.said = bytearray()
        lines = [PreparedLine(line, watermark.embed(tones(line.say), line.say)) for line in behaviour.lines]
        self.phone = Phone(behaviour, lines, lambda name, **data: self.told.append((name, data)))

    def hear(self, audio: bytes = b"", ms: int = 0) -> None:
        """The audio, then silence up to `ms` in all."""
        audio = audio.ljust(ms * 8, STILL[:1])
        for at in range(0, len(audio), len(STILL)):
            if self.phone.hung_up:
                return
            self.said += self.phone.tick(audio[at : at + len(STILL)].ljust(len(STILL), STILL[:1]))
            self.keys += [
                (self.phone.now_ms, self.phone.pressed.popleft()) for _ in range(len(self.phone.pressed))
            ]

    def moment(self, name: str) -> int:
        return next(data["call_ms"] for told, data in self.told if told == name)

    def names(self) -> list[str]:
        return [name for name, _ in self.told]


def test_a_line_is_said_when_the_agent_has_finished() -> None:
    talk = Conversation(Behaviour(lines=(Line(say="Hello."),), silence_ms=800))
    talk.hear(AGENT, ms=5_000)
    agent_ended_ms = next(data["call_ms"] for name, data in talk.told if name == "agent stopped speaking")
    assert talk.moment("caller started speaking") - agent_ended_ms == pytest.approx(800, abs=20)
    assert watermark.read(bytes(talk.said)) == "Hello."


def test_a_silent_agent_is_not_waited_for_for_ever() -> None:
    talk = Conversation(Behaviour(lines=(Line(say="Hello?"),), patience_ms=2_000))
    talk.hear(ms=3_000)
    assert talk.moment("caller started speaking") == 2_000


def test_an_interruption_comes_so_far_into_the_agents_speech() -> None:
    talk = Conversation(Behaviour(lines=(Line(say="Stop."), Line(say="Wait.", interrupt_after_ms=300))))
    talk.hear(AGENT, ms=4_000)
    talk.hear(AGENT)
    starts = [data["call_ms"] for name, data in talk.told if name == "agent started speaking"]
    said = [data for name, data in talk.told if name == "caller started speaking"]
    assert said[1]["call_ms"] - starts[1] == 300
    assert said[1]["interrupts"]


def test_the_response_time_runs_from_the_callers_last_sound() -> None:
    talk = Conversation(Behaviour(lines=(Line(say="Hello.", delay_ms=0),), hangs_up="never"))
    talk.hear(ms=1_500)
    talk.hear(AGENT)
    stopped_ms = talk.moment("caller stopped speaking")
    began = next(data for name, data in talk.told if name == "agent started speaking")
    assert began["response_ms"] == began["call_ms"] - stopped_ms


def test_it_hangs_up_after_the_agents_answer_to_the_last_line() -> None:
    talk = Conversation(Behaviour(lines=(Line(say="Hi.", delay_ms=0),), silence_ms=600))
    talk.hear(ms=1_000)
    assert not talk.phone.hung_up
    talk.hear(AGENT, ms=len(AGENT) // 8 + 400)
    assert not talk.phone.hung_up
    talk.hear(ms=400)
    assert talk.phone.hung_up


def test_it_hangs_up_at_its_moment_whatever_goes_on() -> None:
    talk = Conversation(Behaviour(hangs_up="never", hangs_up_after_ms=500))
    talk.hear(AGENT)
    assert talk.phone.hung_up
    assert talk.phone.now_ms == pytest.approx(500, abs=20)


def test_keys_are_pressed_one_after_another() -> None:
    talk = Conversation(Behaviour(lines=(Line(dtmf="1w#", delay_ms=100),), hangs_up="never"))
    talk.hear(ms=2_000)
    assert [key for _, key in talk.keys] == ["1", "#"]
    assert talk.keys[1][0] - talk.keys[0][0] == pytest.approx(700, abs=60)


def test_the_ear_tells_speech_from_line_noise_and_reads_its_words() -> None:
    ear = Ear()
    faint = bytes([0xFE, 0x7E]) * 80
    assert [ear.hear(faint, now) for now in range(0, 400, 20)] == [None] * 20
    assert ear.speaking_since_ms is None
    heard = None
    for number, at in enumerate(range(0, len(AGENT) + 8_000, 160)):
        heard = heard or ear.hear(AGENT[at : at + 160].ljust(160, b"\xff"), 400 + 20 * number)
    assert heard is not None
    assert heard.text == "How can I help you today?"
    assert heard.ended_ms - heard.began_ms == pytest.approx(len(AGENT) / 8, abs=100)


@pytest.mark.parametrize(
    "data",
    [
        {"pick_up": "sings"},
        {"lines": [{"say": "Hi", "dtmf": "1"}]},
        {"lines": [{}]},
        {"lines": [{"dtmf": "A"}]},
        {"lines": [{"says": "Hi"}]},
        {"answers": True},
        [],
    ],
)
def test_an_impossible_behaviour_is_refused(data: object) -> None:
    with pytest.raises(BadBehaviour):
        from_json(data)


def test_a_menu_goes_on_when_its_keys_were_heard() -> None:
    menu = Behaviour(lines=(Line(say="Press four two.", delay_ms=0), Line(say="Sales.", after_keys="42")))
    talk = Conversation(menu)
    talk.hear(ms=3_000)
    talk.hear(keys("7"), ms=1_000)
    assert talk.names().count("caller started speaking") == 1
    talk.hear(keys("42"), ms=2_000)
    assert [data["key"] for name, data in talk.told if name == "key heard"] == ["7", "4", "2"]
    assert talk.names().count("caller started speaking") == 2
    assert "agent started speaking" not in talk.names(), "tones are no speech"


def test_nobody_waits_for_keys_that_cannot_be_pressed() -> None:
    with pytest.raises(BadBehaviour):
        from_json({"lines": [{"say": "Press five.", "after_keys": "five"}]})
