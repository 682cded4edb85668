"""Words to telephone sound, by an offline voice of English, which is only where lines are made."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge.wire.pcmu import FRAME_BYTES, encode

RATE = 8_000
VOICE_RATE = 24_000
LOUDNESS = 0.1
"""Root mean square of what is spoken, of full scale 1: -20 dB."""
_LOUDEST = 0.9
_QUIET = 0.05
"""Below this share of the loudest frame nothing is spoken."""
_MARGIN_FRAMES = 3
"""Of 20 ms, left before the first word and after the last."""
_EDGE = RATE // 100
"""10 ms in which the sound rises and falls, so that nothing clicks."""


class Speaker:
    """Loads the voice once: half a second."""

    def __init__(self) -> None:
        from hibari import Hibari  # pyright: ignore[reportMissingTypeStubs] (it has none)

        self._voice: Any = Hibari()

    def speak(self, text: str) -> bytes:
        """8 kHz mu-law in whole frames of 20 ms, the same bytes each time."""
        samples: NDArray[np.float32] = self._voice(text, seed=0)
        return to_telephone(samples.astype(np.float64), VOICE_RATE)


def to_telephone(samples: NDArray[np.float64], rate: int) -> bytes:
    """The band that a telephone carries, at the loudness of speech, without the silence around it."""
    spoken = _levelled(_trimmed(_telephone_band(samples, rate)))
    spoken[:_EDGE] *= np.linspace(0, 1, _EDGE)
    spoken[-_EDGE:] *= np.linspace(1, 0, _EDGE)
    return encode((spoken * 32_767).astype(np.int16).tolist())


def _telephone_band(samples: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    """Resampled to 8 kHz and cut to 300 to 3,400 Hz, both on the spectrum; silence behind keeps the end from
    running into the beginning."""
    size = round((samples.size / rate + 0.1) * RATE)
    spectrum = np.fft.rfft(samples, n=round(size * rate / RATE))
    hertz = np.arange(size // 2 + 1) * RATE / size
    kept = spectrum[: hertz.size] * np.clip((hertz - 280) / 40, 0, 1) * np.clip((3_420 - hertz) / 40, 0, 1)
    return np.fft.irfft(kept, n=size) * RATE / rate


def _frames(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    whole = -(-samples.size // FRAME_BYTES) * FRAME_BYTES
    return np.pad(samples, (0, whole - samples.size)).reshape(-1, FRAME_BYTES)


def _spoken(frames: NDArray[np.float64]) -> NDArray[np.bool_]:
    loudness = np.sqrt((frames**2).mean(axis=1))
    return loudness > _QUIET * loudness.max()


def _trimmed(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    frames = _frames(samples)
    spoken = np.flatnonzero(_spoken(frames))
    first, last = max(0, int(spoken[0]) - _MARGIN_FRAMES), int(spoken[-1]) + 1 + _MARGIN_FRAMES
    return frames[first:last].ravel()


def _levelled(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """By the loudness of what is spoken; pauses do not count. Peaks are rounded off rather than cut."""
    frames = _frames(samples)
    loudness = float(np.sqrt((frames[_spoken(frames)] ** 2).mean()))
    return _LOUDEST * np.tanh(samples * (LOUDNESS / loudness) / _LOUDEST)
