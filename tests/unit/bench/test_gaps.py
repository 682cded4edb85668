"""The gap meter, on recordings whose silences are known."""

from __future__ import annotations

import numpy as np
import pytest

from bench.chaos.gaps import Silence, Usual, silences, tracks, usual
from simulator.audio import mulaw
from simulator.audio.recording import stereo_wav
from simulator.audio.voice import tones

END_MS = 12_000


def track(*sounds: tuple[int, int]) -> bytes:
    """Mu-law with a steady tone from and to these milliseconds."""
    tone = mulaw.encode((5000 * np.sin(np.arange(END_MS * 8) * 0.3)).astype(np.int16))
    audio = bytearray(mulaw.silence(END_MS))
    for began, ended in sounds:
        audio[began * 8 : ended * 8] = tone[began * 8 : ended * 8]
    return bytes(audio)


def measured(
    caller: list[tuple[int, int]], agent: list[tuple[int, int]], *answers_ms: int
) -> list[tuple[int, int, str, int]]:
    found = silences(*tracks(stereo_wav(track(*caller), track(*agent))), answers_ms=answers_ms)
    return [(one.began_ms, one.ended_ms, one.kind, one.utterance) for one in found]


def test_an_answer_that_comes_leaves_only_the_wait_for_it() -> None:
    """What follows the answer is the caller's own time."""
    assert measured([(3000, 5000)], [(1000, 2500), (6200, 9000)]) == [
        (0, 1000, "answer", 0),
        (5000, 6200, "answer", 1),
    ]


def test_a_hole_in_the_agents_speech_is_found() -> None:
    assert (7000, 8400, "speech", 1) in measured([(3000, 5000)], [(500, 2500), (6000, 7000), (8400, 9000)])


def test_no_answer_at_all_is_silence_until_the_caller_speaks_again() -> None:
    assert measured([(1000, 2000), (8000, 9000)], [(0, 900), (10_000, 11_000)]) == [
        (2000, 8000, "answer", 1),
        (9000, 10_000, "answer", 2),
    ]


def test_a_filler_ends_a_silence() -> None:
    found = measured([(1000, 2000)], [(0, 900), (3600, 4500), (6000, 9000)])
    assert found == [(2000, 3600, "answer", 1), (4500, 6000, "speech", 1)]


@pytest.mark.parametrize(("should_be_ms", "cut"), [(3000, True), (1200, False)])
def test_a_speech_that_was_cut_off_is_due_until_the_caller_speaks_again(should_be_ms: int, cut: bool) -> None:
    found = measured([(1000, 2000), (8000, 9000)], [(0, 900), (3000, 4200), (9500, 10_500)], 0, should_be_ms)
    assert ((4200, 8000, "speech", 1) in found) == cut


def test_what_is_said_while_the_caller_speaks_is_not_due_and_pauses_of_the_caller_are_his() -> None:
    assert measured([(2000, 3000), (3400, 5000)], [(0, 2500), (5800, 7000)]) == [(5000, 5800, "answer", 1)]


def test_a_click_is_no_answer() -> None:
    assert measured([(1000, 2000)], [(0, 900), (2500, 2540), (5000, 6000)])[-1] == (2000, 5000, "answer", 1)


def test_only_what_is_beyond_the_usual_silence_is_a_gap() -> None:
    ordinary = usual([Silence(0, 900, "answer", 0), Silence(1000, 1120, "speech", 0)])
    assert ordinary == Usual(900, 120)
    assert ordinary.gap_ms(Silence(0, 2000, "answer", 1)) == 1100
    assert ordinary.gap_ms(Silence(0, 100, "speech", 1)) == 0


def test_the_practice_voice_has_no_holes() -> None:
    """The silences between its words must not count as gaps."""
    speech = tones("You said: Line 1704, please tell me more about that.", "agent")
    caller = mulaw.silence(len(speech) // 8)
    inside = silences(*tracks(stereo_wav(caller, speech)))
    assert all(silence.ms <= 240 for silence in inside)


def test_between_a_finished_answer_and_what_the_agent_says_later_nobody_was_due() -> None:
    """Unless something happens in between, which only who knows of it can say."""
    sounds = [(0, 900), (3000, 6000), (9000, 10_000)]
    found = silences(*tracks(stereo_wav(track((1000, 2000)), track(*sounds))), answers_ms=[0, 3000])
    assert [one.finished for one in found] == [False, True]
