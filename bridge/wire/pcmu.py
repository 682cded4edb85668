"""Arithmetic of mu-law audio at 8 kHz and its base64 text: 8 bytes are 1 ms, 160 bytes a frame of 20 ms."""

from __future__ import annotations

import binascii
from collections.abc import Iterable

BYTES_PER_MS = 8
FRAME_BYTES = 160
FRAME_MS = 20
SILENCE = b"\xff"
_CLIP = 32_635
_BIAS = 132
"""Of G.711 at 16 bits: https://www.itu.int/rec/T-REC-G.711"""


def _codes() -> bytes:
    """The code of each positive sample, by its upper 14 bits: the lower two never matter."""
    codes = bytearray()
    for quarter in range((_CLIP >> 2) + 1):
        biased = (quarter << 2) + _BIAS
        exponent = biased.bit_length() - 8
        codes.append(~(exponent << 4 | (biased >> exponent + 3) & 0x0F) & 0xFF)
    return bytes(codes)


_CODES = _codes()


def payload_bytes(payload: str | bytes) -> int:
    """How many bytes a base64 text stands for, without decoding it."""
    padding = payload.count("=", -2) if isinstance(payload, str) else payload.count(b"=", -2)
    return len(payload) * 3 // 4 - padding


def encode(samples: Iterable[int]) -> bytes:
    """Linear 16-bit samples as mu-law; louder ones are cut off. Not for the audio path."""
    return bytes(_CODES[min(abs(sample), _CLIP) >> 2] & (0x7F if sample < 0 else 0xFF) for sample in samples)


class Framing:
    """Cuts agent audio into whole 20 ms frames: ragged lengths are heard as clicks on Twilio's side.

    A piece that is whole frames already passes as the very same text; otherwise the rest is carried into the
    next piece. Not a byte is added, lost or changed.
    """

    def __init__(self) -> None:
        self._carried = b""

    def cut(self, payload: str) -> tuple[str, int]:
        """The text to send, and how many bytes of audio are in it; broken base64 counts as nothing."""
        size = payload_bytes(payload)
        if not self._carried and size % FRAME_BYTES == 0:
            return payload, size
        try:
            audio = self._carried + binascii.a2b_base64(payload)
        except ValueError:
            return "", 0
        whole = len(audio) - len(audio) % FRAME_BYTES
        self._carried = audio[whole:]
        return (binascii.b2a_base64(audio[:whole], newline=False).decode(), whole) if whole else ("", 0)

    @property
    def carries(self) -> bool:
        """The next piece begins with a rest of the last one."""
        return bool(self._carried)

    def rest(self) -> tuple[str, int]:
        """What is still carried, at the end of an item."""
        audio, self._carried = self._carried, b""
        return (binascii.b2a_base64(audio, newline=False).decode(), len(audio)) if audio else ("", 0)

    def drop(self) -> None:
        self._carried = b""


_SILENT = bytes(code for code in range(256) if code & 0x70 == 0x70)
"""Up to 120 of 32,768: nothing that could be heard."""
_SOFT = bytes(code for code in range(256) if code & 0x70 >= 0x50)
"""Up to 876 of 32,768: breath and noise on the line."""
SPEECH_SHARE = 0.05


def is_silent(payload: str | bytes) -> bool:
    """Nothing in it can be heard."""
    return _share_beyond(payload, _SILENT) < 0.01


def is_loud(payload: str | bytes) -> bool:
    """Somebody seems to speak."""
    return _share_beyond(payload, _SOFT) >= SPEECH_SHARE


def _share_beyond(payload: str | bytes, soft: bytes) -> float:
    try:
        audio = binascii.a2b_base64(payload)
    except ValueError:
        return 0.0
    return len(audio.translate(None, soft)) / len(audio) if audio else 0.0
