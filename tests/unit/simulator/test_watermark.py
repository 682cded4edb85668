from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.audio import mulaw, watermark
from tests.unit.simulator.talk import voice


@given(text=st.text(max_size=60), missing_ms=st.integers(0, 900), noise=st.binary(max_size=300))
def test_text_is_found_at_any_offset(text: str, missing_ms: int, noise: bytes) -> None:
    """Voice activity cuts the beginning off, and silence comes before and after."""
    marked = watermark.embed(voice("x" * 50), text)
    heard = noise + marked[missing_ms * mulaw.BYTES_PER_MS :] + mulaw.silence(500)
    assert watermark.read(heard) == text


def test_nobody_hears_it() -> None:
    """The mark moves each sample by at most one step of its own loudness."""
    speech = voice("Good morning")
    before, after = (
        mulaw.decode(speech).astype(int),
        mulaw.decode(watermark.embed(speech, "Good morning")).astype(int),
    )
    assert np.all(np.abs(before - after) <= np.maximum(8, np.abs(before) // 8))


def test_a_short_utterance_gets_silence_enough_for_its_text() -> None:
    assert watermark.read(watermark.embed(voice("no"), "No, thank you, that was all for today.")) is not None


def test_two_utterances_in_one_turn_are_both_read() -> None:
    turn = (
        watermark.embed(voice("Hello"), "Hello.")
        + mulaw.silence(200)
        + watermark.embed(voice("Who?"), "Who is it?")
    )
    assert watermark.read(turn) == "Hello. Who is it?"


def test_a_lost_packet_costs_one_repetition() -> None:
    marked = bytearray(watermark.embed(voice("x" * 50), "When do you open?"))
    del marked[1600:1760]
    assert watermark.read(bytes(marked)) == "When do you open?"


@pytest.mark.parametrize(
    "audio", [b"", mulaw.silence(1000), voice("no mark in here"), bytes(range(256)) * 50]
)
def test_sound_without_a_mark_says_nothing(audio: bytes) -> None:
    assert watermark.read(audio) is None


def test_recoded_sound_has_lost_its_mark() -> None:
    """Or the mark would not prove that the audio was passed on untouched."""
    marked = watermark.embed(voice("x" * 50), "Hello")
    quieter = mulaw.encode((mulaw.decode(marked) * 0.7).astype(np.int16))
    assert watermark.read(quieter) is None


def test_text_that_does_not_fit_the_length_is_refused() -> None:
    with pytest.raises(ValueError, match="65535 bytes"):
        watermark.embed(b"", "x" * 65536)
