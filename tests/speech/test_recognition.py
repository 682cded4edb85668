"""Real speech, spoken and understood. Needs the recognition extra; skipped, and said so, without it."""

from __future__ import annotations

import re

import pytest

from simulator.audio import mulaw
from simulator.audio.recognition import PACKAGES, Recognition, RecognitionMissing
from simulator.audio.voice import Voice


@pytest.fixture(scope="module")
def recognise() -> Recognition:
    try:
        return Recognition()
    except RecognitionMissing:
        pytest.skip(f"SPEECH IS NOT TESTED: install {' and '.join(PACKAGES)}")


@pytest.mark.parametrize(
    "sentence",
    [
        "Good morning, when do you open on Saturday?",
        "I would like to book a table for the evening.",
        "Could you tell me where the nearest station is?",
    ],
)
def test_telephone_speech_is_understood(recognise: Recognition, sentence: str) -> None:
    """In words, with at most one of them wrong: the recogniser is a small one."""
    speech = mulaw.silence(300) + Voice("hibari").speak(sentence, "caller") + mulaw.silence(500)
    heard = recognise(speech)
    assert heard is not None
    expected, got = (re.findall(r"\w+", text.lower()) for text in (sentence, heard))
    assert len(set(expected) - set(got)) <= 1, heard


def test_silence_says_nothing(recognise: Recognition) -> None:
    assert recognise(mulaw.silence(2000)) is None
