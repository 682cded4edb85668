"""The three sounds of the protocol. The pretend model thinks in mu-law; other formats are turned into it and
out of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulator.audio import mulaw
from simulator.model.shapes import Json

_PCM_SAMPLES = 3
"""Samples at 24 kHz for one at 8 kHz."""


def _alaw_table() -> NDArray[np.int16]:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    exponent = (code & 0x70) >> 4
    magnitude = ((code & 0x0F) << 4) + 8
    magnitude = np.where(exponent > 0, (magnitude + 0x100) << (exponent - 1).clip(0), magnitude)
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


_ALAW = _alaw_table()
_ALAW_ORDER = np.argsort(_ALAW).astype(np.uint8)
_ALAW_SORTED = _ALAW[_ALAW_ORDER].astype(np.int32)


class Incoming:
    """Caller audio in the session's format, as mu-law; keeps what is less than one sample for the next
    piece.
    """

    def __init__(self, audio_format: Json) -> None:
        self.type: str = audio_format["type"]
        self._rest = b""

    def mulaw(self, audio: bytes) -> bytes:
        if self.type == "audio/pcmu":
            return audio
        if self.type == "audio/pcma":
            return mulaw.encode(_ALAW[np.frombuffer(audio, dtype=np.uint8)])
        audio = self._rest + audio
        whole = len(audio) // (2 * _PCM_SAMPLES) * 2 * _PCM_SAMPLES
        self._rest = audio[whole:]
        samples = np.frombuffer(audio[:whole], dtype="<i2").reshape(-1, _PCM_SAMPLES)
        return mulaw.encode(samples.mean(axis=1).astype(np.int16))


def outgoing(speech: bytes, audio_format: Json) -> bytes:
    """Mu-law speech in the session's output format."""
    match audio_format["type"]:
        case "audio/pcmu":
            return speech
        case "audio/pcma":
            linear = mulaw.decode(speech).astype(np.int32)
            place = np.searchsorted(_ALAW_SORTED, linear).clip(0, 255)
            return _ALAW_ORDER[place].tobytes()
        case _:
            return np.repeat(mulaw.decode(speech), _PCM_SAMPLES).astype("<i2").tobytes()
