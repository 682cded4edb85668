"""Words hidden in sound, so that a pretend model can know what a pretend caller said.

The simulated phones speak prepared utterances, and load tests need hundreds of them understood at once,
which no speech recogniser can do on two cores. So an utterance carries its own text in the least
significant bits of its mu-law samples: inaudible, and read back in microseconds. It proves that the audio
arrived bit for bit; it does not prove that anybody could understand it. Audio that was decoded, mixed or
resampled on the way has lost its mark, as real speech never had one.

One mark is 32 bits of sync, 16 bits of length in bytes, the UTF-8 text, 32 bits of CRC; it is repeated from
the first sample to the last, so a lost beginning, end or packet costs one repetition.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from simulator.audio.mulaw import SILENCE

_SYNC = bytes.fromhex("c15a3e97")
_SYNC_BITS = np.unpackbits(np.frombuffer(_SYNC, dtype=np.uint8)).tobytes()
_HEADER_BITS = 48
_CRC_BITS = 32
_REPETITIONS = 3
"""At least, so that one survives whole when the beginning and the end are cut off."""


def embed(mulaw: bytes, text: str) -> bytes:
    """The same sound carrying `text`; sound too short for the mark gets silence at its end.

    Raises ValueError for a text over 65,535 bytes.
    """
    payload = text.encode(errors="replace")
    if len(payload) > 0xFFFF:
        raise ValueError(f"a mark holds up to 65535 bytes of text, not {len(payload)}")
    body = len(payload).to_bytes(2) + payload
    mark = np.unpackbits(np.frombuffer(_SYNC + body + zlib.crc32(body).to_bytes(4), dtype=np.uint8))
    samples = np.frombuffer(mulaw.ljust(mark.size * _REPETITIONS, bytes([SILENCE])), dtype=np.uint8)
    return ((samples & 0xFE) | np.resize(mark, samples.size)).tobytes()


def read(mulaw: bytes) -> str | None:
    """What is said in this sound, by its marks; None when there are none.

    Different utterances come out in order, joined by spaces. The same utterance twice in a row comes out
    once, because a repetition of the mark and a repetition of the utterance look alike.
    """
    bits = np.bitwise_and(np.frombuffer(mulaw, dtype=np.uint8), np.uint8(1))
    text_of_bits = bits.tobytes()
    texts: list[str] = []
    at = text_of_bits.find(_SYNC_BITS)
    while at >= 0:
        text, end = _mark_at(bits, at)
        if text is not None and texts[-1:] != [text]:
            texts.append(text)
        at = text_of_bits.find(_SYNC_BITS, end)
    return " ".join(texts) if texts else None


def _mark_at(bits: NDArray[np.uint8], at: int) -> tuple[str | None, int]:
    """The text of the mark that may begin here, and where to look on."""
    header = np.packbits(bits[at + 32 : at + _HEADER_BITS]).tobytes()
    end = at + _HEADER_BITS + int.from_bytes(header) * 8 + _CRC_BITS
    if end > bits.size:
        return None, at + 1
    body = np.packbits(bits[at + 32 : end]).tobytes()
    if zlib.crc32(body[:-4]).to_bytes(4) != body[-4:]:
        return None, at + 1
    return body[2:-4].decode(errors="replace"), end
