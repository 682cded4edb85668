"""G.711 mu-law, 8,000 samples a second, one byte a sample: the telephone's sound, 8 bytes a millisecond."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BYTES_PER_MS = 8
SILENCE = 0xFF


def _decoding_table() -> NDArray[np.int16]:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84 << ((code & 0x70) >> 4)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


LINEAR = _decoding_table()
"""Linear 16-bit sample of each mu-law byte."""


def _encoding_table() -> NDArray[np.uint8]:
    """The mu-law byte of each 16-bit sample, indexed by the sample as an unsigned number."""
    sample = np.arange(65536, dtype=np.int32).astype(np.uint16).view(np.int16).astype(np.int32)
    magnitude = np.minimum(np.abs(sample), 32635) + 0x84
    exponent = (np.log2(magnitude).astype(np.int32) - 7).clip(0, 7)
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    sign = np.where(sample < 0, 0x80, 0)
    return (~(sign | (exponent << 4) | mantissa) & 0xFF).astype(np.uint8)


_ENCODED = _encoding_table()


def decode(mulaw: bytes) -> NDArray[np.int16]:
    return LINEAR[np.frombuffer(mulaw, dtype=np.uint8)]


def encode(linear: NDArray[np.int16]) -> bytes:
    return _ENCODED[linear.view(np.uint16)].tobytes()


def silence(ms: int) -> bytes:
    return bytes([SILENCE]) * (ms * BYTES_PER_MS)
