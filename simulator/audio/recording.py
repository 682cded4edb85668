"""WAV files: both sides of a call (caller left, agent right), and a caller's own recording as telephone."""

from __future__ import annotations

import io
import wave

import numpy as np
from numpy.typing import NDArray

from simulator.audio import mulaw

RATE = 8_000


class BadWav(ValueError):
    """Not a WAV file that we can read; the message says why."""


def stereo_wav(caller: bytes, agent: bytes) -> bytes:
    """Two mu-law tracks that began at the same time; the shorter one ends in silence."""
    length = max(len(caller), len(agent))
    tracks = [mulaw.decode(track.ljust(length, bytes([mulaw.SILENCE]))) for track in (caller, agent)]
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(2)
        wav.setsampwidth(2)
        wav.setframerate(RATE)
        wav.writeframes(np.stack(tracks, axis=1).astype("<i2").tobytes())
    return file.getvalue()


def from_wav(data: bytes) -> bytes:
    """16-bit PCM of any rate as 8 kHz mu-law, first channel only. Raises BadWav."""
    try:
        with wave.open(io.BytesIO(data)) as wav:
            channels, width, rate = wav.getnchannels(), wav.getsampwidth(), wav.getframerate()
            frames = wav.readframes(wav.getnframes())
    except (wave.Error, EOFError) as error:
        raise BadWav(f"This is not a readable WAV file ({error}). Save it as 16-bit PCM.") from None
    if width != 2 or not frames:
        raise BadWav(
            f"The WAV file must hold 16-bit PCM samples, not {width * 8}-bit ones, and some of them."
        )
    samples = np.frombuffer(frames, dtype="<i2").reshape(-1, channels)[:, 0]
    return mulaw.encode(_resampled(samples.astype(np.float64), rate).clip(-32_768, 32_767).astype(np.int16))


def _resampled(samples: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    """To 8 kHz by its spectrum, so that nothing above 4 kHz folds back."""
    if rate == RATE:
        return samples
    size = max(1, round(samples.size * RATE / rate))
    spectrum = np.fft.rfft(samples)
    kept = np.zeros(size // 2 + 1, dtype=complex)
    common = min(kept.size, spectrum.size)
    kept[:common] = spectrum[:common]
    return np.fft.irfft(kept, n=size) * (size / samples.size)
