"""Voices and recordings: the right length, the right band, and the same each time."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
import pytest

from simulator.audio import mulaw
from simulator.audio.recording import BadWav, from_wav, stereo_wav
from simulator.audio.voice import Voice, tones


def wav_of(samples: np.ndarray[tuple[int], np.dtype[np.int16]], rate: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setparams((1, 2, rate, 0, "NONE", ""))
        wav.writeframes(samples.tobytes())
    return file.getvalue()


def loudness(sound: bytes) -> float:
    return float(np.sqrt(np.mean(mulaw.decode(sound).astype(float) ** 2)))


def test_tones_last_as_long_as_speech_and_differ_by_speaker() -> None:
    text = "I would like a table for two."
    assert len(tones(text)) / 8_000 == pytest.approx(len(text) / 14, rel=0.02)
    assert tones(text) == tones(text)
    assert tones(text, "caller") != tones(text, "agent")


@pytest.mark.parametrize("text", ["", "...", "!"])
def test_even_nothing_makes_a_sound(text: str) -> None:
    """A phone that waits to hear something must not wait for ever."""
    assert loudness(tones(text)) > 1_000


def test_hibari_speaks_at_the_telephones_rate_and_is_kept_on_disk(tmp_path: Path) -> None:
    text = "Good morning, this is a test."
    spoken = Voice("hibari", tmp_path).speak(text, "caller")
    assert 1 < len(spoken) / 8_000 < 4
    assert loudness(spoken) > 1_000
    spectrum = np.abs(np.fft.rfft(mulaw.decode(spoken).astype(float))) ** 2
    hertz = np.fft.rfftfreq(len(spoken), 1 / 8_000)
    assert spectrum[(hertz > 300) & (hertz < 3_400)].sum() / spectrum.sum() > 0.9
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(b"from disk")
    assert Voice("hibari", tmp_path).speak(text, "caller") == b"from disk"


def test_a_recording_has_the_caller_left_and_the_agent_right() -> None:
    with wave.open(io.BytesIO(stereo_wav(tones("caller"), mulaw.silence(100)))) as wav:
        assert (wav.getnchannels(), wav.getframerate(), wav.getnframes()) == (2, 8_000, len(tones("caller")))
        samples = np.frombuffer(wav.readframes(wav.getnframes()), dtype="<i2").reshape(-1, 2)
    assert np.array_equal(samples[:, 0], mulaw.decode(tones("caller")))
    assert np.abs(samples[:, 1]).max() == 0


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_a_wav_of_any_rate_becomes_telephone_sound(rate: int) -> None:
    """A tone above the telephone's band must not fold back into it."""
    seconds = np.arange(rate) / rate
    audible = from_wav(wav_of((8_000 * np.sin(2 * np.pi * 1_000 * seconds)).astype(np.int16), rate))
    assert len(audible) == 8_000
    assert loudness(audible) == pytest.approx(8_000 / np.sqrt(2), rel=0.05)
    if rate > 12_000:
        too_high = from_wav(wav_of((8_000 * np.sin(2 * np.pi * 5_500 * seconds)).astype(np.int16), rate))
        assert loudness(too_high) < 100


@pytest.mark.parametrize("data", [b"", b"RIFF", b"not a wav at all"])
def test_what_is_no_wav_is_refused(data: bytes) -> None:
    with pytest.raises(BadWav):
        from_wav(data)
