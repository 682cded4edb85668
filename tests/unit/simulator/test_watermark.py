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


def test_a_pause_in_an_utterance_parts_its_words() -> None:
    """Voice activity makes two turns of it, and each must hold its own words, once."""
    text = "Good morning to you. Could you tell me when you open?"
    pause = mulaw.silence(600)
    first, second = voice("x" * 20), voice("x" * 33)
    marked = watermark.embed(first + pause + second, text)
    cut = len(first) + len(pause) // 2
    assert watermark.read(marked[:cut]) == "Good morning to you."
    assert watermark.read(marked[cut:]) == "Could you tell me when you open?"
    assert watermark.read(marked) == text


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=8),
    st.lists(st.text("ab.", min_size=1), min_size=1, max_size=30),
)
def test_no_word_is_lost_however_an_utterance_pauses(bursts: list[int], words: list[str]) -> None:
    speech = b"".join(voice("x" * burst) + mulaw.silence(250) for burst in bursts)
    read = watermark.read(watermark.embed(speech, " ".join(words)))
    assert read is not None
    assert read.split() == words


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
