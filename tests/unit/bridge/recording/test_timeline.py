"""What is recorded of a stream, against what was really said and heard."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.recording.timeline import Timeline
from simulator.network.playout import SILENCE
from tests.unit.bridge.recording.line import Item, LineOfACall, media, passed

SECOND = 50
"""In frames of 20 ms."""


def sides(tape: list[Item], *, at_once: int = SECOND) -> tuple[bytes, bytes]:
    """Caller and agent, recorded in pieces."""
    timeline, both = Timeline(), b""
    for start in range(0, len(tape), at_once):
        timeline.passed(passed(tape[start : start + at_once]))
        both += timeline.take()
    both += timeline.take(over=True)
    return both[::2], both[1::2]


@pytest.mark.parametrize("delay", [0, 1, 5])
def test_both_sides_are_recorded_sample_for_sample(delay: int):
    line = LineOfACall(delay=delay)
    line.step(10)
    line.say(400)
    line.say(1200)
    line.step(2 * SECOND)
    line.say(777)
    line.step(2 * SECOND)
    caller, agent = sides(line.tape)
    assert caller == line.said[: len(caller)]
    assert agent == line.heard[: len(agent)]
    assert len(caller) >= len(line.said) - (delay + 1) * 160


def test_the_agent_is_recorded_when_it_is_heard_and_not_when_it_is_sent():
    """The model speaks faster than anybody listens."""
    line = LineOfACall(delay=1)
    line.step(5)
    for _ in range(10):
        line.say(400)
    line.step(5 * SECOND)
    _, agent = sides(line.tape)
    assert agent == line.heard[: len(agent)]


@pytest.mark.parametrize("delay", [0, 1, 5])
def test_what_was_cleared_is_not_recorded(delay: int):
    line = LineOfACall(delay=delay)
    line.step(5)
    line.say(400)
    line.say(4000)
    line.step(SECOND)
    line.interrupt()
    line.step(SECOND)
    line.say(600)
    line.step(2 * SECOND)
    _, agent = sides(line.tape)
    assert agent == line.heard[: len(agent)]


def test_a_second_answer_before_the_clear_took_effect_comes_after_what_was_heard_of_the_first():
    """When it began is known to a frame."""
    line = LineOfACall(delay=5)
    line.step(5)
    line.say(3000)
    line.step(SECOND)
    line.interrupt()
    line.say(600)
    line.step(2 * SECOND)
    _, agent = sides(line.tape)
    assert agent.replace(SILENCE, b"") == line.heard.replace(SILENCE, b"")
    second = line.playout.played[-1]
    begins = bytes(line.spoken[second.offset : second.offset + 160])
    assert agent.index(begins) - line.heard.index(begins) in (0, 160)


def test_a_gap_in_the_callers_audio_is_silence():
    line = LineOfACall(delay=0)
    line.step(SECOND)
    lost = line.tape[20:30]
    caller, _ = sides(line.tape[:20] + line.tape[30:])
    assert len(caller) == 160 * (SECOND + 1)
    assert caller[160 * 21 : 160 * 31] == SILENCE * len(lost)
    assert caller[160 * 31 :] == line.said[160 * 31 :]


def test_frames_whose_times_waver_are_put_one_after_the_other():
    """Twilio's timestamps are off by a millisecond here and there."""
    sounds = [bytes([number]) * 160 for number in range(1, 6)]
    tape: list[Item] = [
        [media(sound, at_ms)] for sound, at_ms in zip(sounds, (20, 41, 59, 81, 99), strict=True)
    ]
    assert sides(tape)[0] == SILENCE + b"".join(sounds)


def test_a_frame_that_comes_twice_is_recorded_once():
    tape: list[Item] = [[media(bytes([number]) * 160, number * 100) for number in (1, 2, 3, 2, 1, 4)]]
    caller, _ = sides(tape)
    assert [caller.count(bytes([number])) for number in (1, 2, 3, 4)] == [160, 160, 160, 160]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"event":"media"',
        '{"event":"media","media":{"payload":"%%%","timestamp":"20"}}',
        '{"event":"media","media":{"payload":"QUJD","timestamp":"no time"}}',
        media(b"\x01" * 160, 999_999_999_999),
        '{"event":"mark","mark":{"name":"never sent"}}',
        '{"event":"stop"}',
    ],
)
def test_a_broken_message_disturbs_nothing(text: str):
    line = LineOfACall(delay=0)
    line.step(SECOND)
    caller, _ = sides([*line.tape, [text]])
    assert caller[: len(line.said)] == line.said
    assert len(caller) <= len(line.said) + 160, "a clock that jumps fills no disk"


def test_a_broken_message_among_others_costs_nothing_but_itself():
    """They are decoded together."""
    line = LineOfACall(delay=0)
    line.step(5)
    line.say(400)
    line.step(10)
    tape: list[Item] = [*line.tape[:8], ["{"], "{", *line.tape[8:]]
    assert sides(tape) == sides(line.tape)


def test_audio_that_never_reached_twilio_is_not_recorded():
    """Its mark comes back at once: our own backlog had dropped the audio in front of it."""
    line = LineOfACall(delay=0)
    line.step(5)
    line.say(400)
    line.step()
    real, line.playout.media = line.playout.media, lambda audio: False
    line.say(5000)
    line.step()
    line.playout.media = real
    line.step(SECOND)
    line.say(400)
    line.step(SECOND)
    _, agent = sides(line.tape)
    first_frame_of_it = slice(26 * 160, 27 * 160)
    assert agent[: first_frame_of_it.start] == line.heard[: first_frame_of_it.start]
    assert agent[first_frame_of_it.stop :] == line.heard[first_frame_of_it.stop : len(agent)]


Deeds = st.lists(
    st.one_of(
        st.tuples(st.just("step"), st.integers(1, 60)),
        st.tuples(st.just("say"), st.integers(1, 200).map(lambda frames: frames * 20)),
        st.tuples(st.just("interrupt"), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(deeds=Deeds, delay=st.integers(0, 8), at_once=st.integers(1, 80))
def test_whatever_happens_the_record_is_what_was_heard(
    deeds: list[tuple[str, int]], delay: int, at_once: int
):
    """Every stretch that was played is there in full, a round trip from its time at most; nothing else is."""
    line = LineOfACall(delay=delay)
    for what, how_much in deeds:
        if what == "step":
            line.step(how_much)
        elif what == "say":
            line.say(how_much)
        else:
            line.interrupt()
    line.step(2 * delay + 2)
    caller, agent = sides(line.tape, at_once=at_once)
    assert caller == line.said[: len(caller)]
    assert len(agent) == len(caller)
    near = (2 * delay + 3) * 160
    for at, played in line.played_pieces():
        known = played[: max(0, min(len(agent) - at, len(played)) - near)]
        assert known in agent[max(0, at - near) : at + len(played) + near]
    assert len(agent) - agent.count(b"\xff") <= line.playout.played_ms * 8 + near * (
        1 + len(line.playout.cleared)
    )
