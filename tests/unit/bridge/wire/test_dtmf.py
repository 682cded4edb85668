"""Tones that a telephone exchange takes for keys, decoded by the simulator's own ear."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.wire.dtmf import FREQUENCIES, GAP_MS, TONE_MS, is_entry, tones
from simulator.audio import mulaw
from simulator.audio.dtmf import KeyEar
from simulator.audio.voice import Voice
from simulator.audio.voice import tones as babble

ALL = "123A456B789C*0#D"


def heard(sound: bytes) -> str:
    ear = KeyEar()
    frames = [sound[start : start + 160] for start in range(0, len(sound), 160)]
    return "".join(key for key in map(ear.hear, frames) if key is not None)


@given(st.text(ALL, min_size=1, max_size=20), st.integers(0, 159))
def test_every_key_is_heard_once_however_it_is_cut_into_frames(keys: str, late: int) -> None:
    """Also the same key twice; a network's jitter moves the tones against the frames."""
    assert heard(b"\xff" * late + tones(keys)) == keys


def test_the_levels_are_those_of_a_telephone() -> None:
    samples = mulaw.decode(tones("5"))[: TONE_MS * 8].astype(float) / 32_768
    for hertz, dbm0 in zip(FREQUENCIES["5"], (-9, -7), strict=True):
        angle = 2j * np.pi * hertz * np.arange(160, 640) / 8_000
        peak = 2 * abs((np.exp(-angle) * samples[160:640]).mean())
        assert 20 * np.log10(peak) + 3.17 == pytest.approx(dbm0, abs=0.5)
    assert np.abs(samples).max() < 0.7, "nothing is cut off"
    assert abs(samples[0]) < 0.01 and abs(samples[-1]) < 0.01, "nothing clicks"


def test_tones_and_gaps_last_as_long_as_exchanges_want() -> None:
    assert len(tones("1")) == (TONE_MS + GAP_MS) * 8
    assert 70 <= TONE_MS <= 100 and GAP_MS >= 70
    assert len(tones("1w2")) == len(tones("12")) + 500 * 8
    assert len(tones(ALL)) % 160 == 0


@pytest.mark.parametrize("keys", ["0", "1w2", "ww1#", "*#0A", "9" * 40])
def test_an_entry(keys: str) -> None:
    assert is_entry(keys)


@pytest.mark.parametrize("keys", ["", "w", "1 2", "+1", "12x", "a", "9" * 41, "1\n", "\u0661"])
def test_no_entry(keys: str) -> None:
    assert not is_entry(keys)


def test_speech_holds_no_keys() -> None:
    """Words that a decoder takes for a key would navigate a menu by themselves."""
    words = "One moment, please. I am calling about the order of the ninth of November, for two hundred."
    assert heard(Voice("hibari").speak(words)) == ""
    assert heard(babble(words)) == ""
