from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simulator.audio import mulaw
from simulator.model.voice_activity import SpeechStarted, SpeechStopped, VoiceActivity
from tests.unit.simulator.talk import voice

SETTINGS: dict[str, Any] = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
}


def heard(audio: bytes, piece: int = 160, **settings: object) -> list[SpeechStarted | SpeechStopped]:
    ear = VoiceActivity({**SETTINGS, **settings}, 0)
    return [
        change for start in range(0, len(audio), piece) for change in ear.hear(audio[start : start + piece])
    ]


def noise(ms: int, loudness: int) -> bytes:
    dice = np.random.default_rng(1)
    return mulaw.encode(
        dice.normal(0, loudness, ms * mulaw.BYTES_PER_MS).clip(-30000, 30000).astype(np.int16)
    )


SENTENCE = mulaw.silence(1000) + voice("x" * 20) + mulaw.silence(1000)
"""Speech from 1,000 to 2,200 ms."""


def test_speech_is_reported_with_its_padding_and_the_silence_waited_for() -> None:
    assert heard(SENTENCE) == [SpeechStarted(700), SpeechStopped(700, 2700)]


@pytest.mark.parametrize("piece", [1, 37, 160, 4000, len(SENTENCE)])
def test_the_size_of_the_pieces_does_not_matter(piece: int) -> None:
    assert heard(SENTENCE, piece) == heard(SENTENCE)


def test_padding_never_begins_before_the_session() -> None:
    assert heard(voice("x" * 20))[0] == SpeechStarted(0)


def test_a_pause_shorter_than_the_silence_is_part_of_the_turn() -> None:
    audio = voice("x" * 10) + mulaw.silence(480) + voice("x" * 10) + mulaw.silence(600)
    assert len(heard(audio)) == 2
    assert len(heard(audio, silence_duration_ms=300)) == 4


def test_a_click_of_the_line_is_no_speech() -> None:
    assert heard(mulaw.silence(500) + voice("x")[:240] + mulaw.silence(1000)) == []


def test_steady_noise_is_no_speech_and_speech_is_heard_over_it() -> None:
    hum = noise(5000, 150)
    speech = mulaw.encode(mulaw.decode(voice("x" * 20)) + mulaw.decode(noise(1200, 150)))
    assert heard(hum) == []
    changes = heard(hum + speech + noise(1500, 150))
    assert isinstance(changes[0], SpeechStarted)
    assert abs(changes[0].audio_start_ms - 4700) <= 20
    assert len(changes) == 2


def test_a_higher_threshold_needs_louder_speech() -> None:
    soft = mulaw.silence(500) + noise(1000, 600) + mulaw.silence(1000)
    assert len(heard(soft, threshold=0.5)) == 2
    assert heard(soft, threshold=0.9) == []


def test_semantic_detection_waits_by_eagerness() -> None:
    def end_ms(eagerness: str) -> int:
        ear = VoiceActivity({"type": "semantic_vad", "eagerness": eagerness}, 0)
        stopped = ear.hear(SENTENCE)[1]
        assert isinstance(stopped, SpeechStopped)
        return stopped.audio_end_ms

    assert end_ms("high") < end_ms("medium") == end_ms("auto") < end_ms("low")
