"""Which key a sound is, if it is one: Goertzel's sums for eight frequencies, judged as ITU-T Q.24 has it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulator.audio import mulaw

FRAME = 160
_LOW = (697, 770, 852, 941)
_HIGH = (1209, 1336, 1477, 1633)
_KEYS = ("123A", "456B", "789C", "*0#D")
_PURE = 0.8
"""Of a frame's power, the share of the two tones: speech has never so much in them."""
_TWIST = 10 ** (8 / 10)
"""Neither tone is this much stronger than the other."""
_ANGLES = 2j * np.pi * np.arange(FRAME) / 8_000
_SUMS: NDArray[np.complex128] = np.exp(-_ANGLES * np.array([[hertz] for hertz in (*_LOW, *_HIGH)]))


def key_in(frame: bytes) -> str | None:
    """The key whose tones fill these 20 ms; the beginning and the end of one are none."""
    samples = mulaw.decode(frame).astype(np.float64)
    if samples.size != FRAME:
        return None
    powers = np.abs(_SUMS @ samples) ** 2
    low, high = int(powers[:4].argmax()), int(powers[4:].argmax())
    strong_low, strong_high = float(powers[low]), float(powers[4 + high])
    whole = float((samples**2).sum()) * FRAME / 2
    if strong_low + strong_high < _PURE * whole or whole == 0:
        return None
    if not 1 / _TWIST < strong_high / max(strong_low, 1e-9) < _TWIST:
        return None
    return _KEYS[low][high]


class KeyEar:
    """Hears keys in a sound, 20 ms at a time: each once, after 40 ms of it."""

    def __init__(self) -> None:
        self._frames = 0
        self._key: str | None = None

    @property
    def rings(self) -> bool:
        """What was heard last is a key's tones."""
        return self._key is not None

    def hear(self, frame: bytes) -> str | None:
        key = key_in(frame)
        self._frames = self._frames + 1 if key is not None and key == self._key else int(key is not None)
        self._key = key
        return key if self._frames == 2 else None

    def pause(self) -> None:
        """20 ms in which there is nothing to hear."""
        self._key, self._frames = None, 0
