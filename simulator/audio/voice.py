"""Text to telephone sound: 8 kHz mu-law, as `speak(text, speaker)`, the same bytes each time.

`hibari` speaks English with the voice of the package hibari-tts (loaded once, on first use). `tones` is
speech-like bursts of the right length, cheap enough for tests and load.
"""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from simulator.audio import mulaw

Kind = Literal["hibari", "tones"]
Speaker = Literal["caller", "agent", "network"]
"""`network` is Twilio's own voice, that of `<Say>`."""

RATE = 8_000
CHARACTERS_PER_SECOND = 14
_LOUDNESS = 0.1
"""Root mean square of what is spoken, of full scale 1: about -20 dB."""
_PITCH: dict[str, float] = {"caller": 0.86, "agent": 1.0, "network": 1.1}
_TONE_HZ: dict[str, float] = {"caller": 115, "agent": 205, "network": 260}
_VERSION = 1
"""Counted up when the sound changes, so that what is kept on disk is not used any more."""


class Voice:
    """Safe to use from several threads.

    `hibari` takes a sixtieth of the speech's length: call it outside the event loop.
    """

    def __init__(self, kind: Kind = "tones", directory: Path | None = None) -> None:
        """`directory`: where speech is kept for the next start; None keeps it in memory only."""
        self.kind = kind
        self._directory = directory
        self._kept: dict[tuple[str, str], bytes] = {}
        self._lock = threading.Lock()
        self._hibari: Any = None

    def speak(self, text: str, speaker: Speaker = "caller") -> bytes:
        """Without a watermark: whoever speaks adds it."""
        kept = self._kept.get((text, speaker))
        if kept is not None:
            return kept
        with self._lock:
            speech = self._from_disk(text, speaker)
            if speech is None:
                speech = tones(text, speaker) if self.kind == "tones" else self._synthesise(text, speaker)
                self._to_disk(text, speaker, speech)
        self._kept[text, speaker] = speech
        return speech

    def load(self) -> None:
        """Loads the voice now, so that the first sentence does not wait for it."""
        if self.kind == "hibari":
            with self._lock:
                self._synthesise("Hello.", "agent")

    def _synthesise(self, text: str, speaker: Speaker) -> bytes:
        if self._hibari is None:
            from hibari import Hibari  # pyright: ignore[reportMissingTypeStubs] it has none

            self._hibari = Hibari()
        pitch = _PITCH[speaker]
        # A lower voice is the same samples played slower; speaking faster by as much keeps the pace.
        samples: NDArray[np.float32] = self._hibari(text, speed=1 / pitch, seed=0)
        return _to_telephone(samples.astype(np.float64), round(24_000 * pitch))

    def _path(self, text: str, speaker: str) -> Path | None:
        if self._directory is None or self.kind == "tones":
            return None
        name = hashlib.sha256(f"{_VERSION}\n{self.kind}\n{speaker}\n{text}".encode()).hexdigest()[:32]
        return self._directory / f"{name}.ulaw"

    def _from_disk(self, text: str, speaker: str) -> bytes | None:
        path = self._path(text, speaker)
        return path.read_bytes() if path is not None and path.exists() else None

    def _to_disk(self, text: str, speaker: str, speech: bytes) -> None:
        path = self._path(text, speaker)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(speech)


def tones(text: str, speaker: Speaker = "caller") -> bytes:
    """A burst for each word's letters, at about fourteen characters a second."""
    per_character = RATE // CHARACTERS_PER_SECOND
    letters = [ord(letter) if letter.isalnum() else 0 for letter in text]
    if not any(letters):
        letters = [ord("a")]
    code = np.repeat(np.array(letters), per_character)
    seconds = np.arange(code.size) / RATE
    voiced = np.sin(2 * np.pi * _TONE_HZ[speaker] * seconds)
    formant = np.sin(2 * np.pi * (450 + 37 * (code % 40)) * seconds)
    envelope = np.minimum(1, 4 * np.abs(np.sin(np.pi * np.arange(code.size) / per_character)) + 0.2)
    return _to_mulaw(np.where(code > 0, (0.6 * voiced + 0.4 * formant) * envelope, 0))


def _to_telephone(samples: NDArray[np.float64], rate: int) -> bytes:
    """Resampled to 8 kHz and cut to the telephone's 300 to 3,400 Hz, both on the spectrum."""
    if samples.size == 0:
        return mulaw.silence(20)
    size = round(samples.size * RATE / rate)
    spectrum = np.fft.rfft(samples, n=samples.size)
    hertz = np.arange(size // 2 + 1) * RATE / size
    kept = np.zeros(hertz.size, dtype=complex)
    common = min(kept.size, spectrum.size)
    kept[:common] = spectrum[:common]
    kept *= np.clip((hertz - 200) / 150, 0, 1) * np.clip((3_600 - hertz) / 250, 0, 1)
    return _to_mulaw(np.fft.irfft(kept, n=size))


def _to_mulaw(samples: NDArray[np.float64]) -> bytes:
    loudness = float(np.sqrt(np.mean(samples**2))) or 1.0
    linear = np.clip(samples * (_LOUDNESS / loudness), -1, 1) * 32_000
    return mulaw.encode(linear.astype(np.int16))


def _beep() -> bytes:
    seconds = np.arange(RATE * 2 // 5) / RATE
    return _to_mulaw(np.sin(2 * np.pi * 1_000 * seconds))


BEEP = _beep()
"""A mailbox's tone: 1,000 Hz for 400 ms."""
