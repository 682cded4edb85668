"""Words hidden in sound, so that a pretend model can know what a pretend caller said.

The simulated phones speak prepared utterances, and load tests need hundreds of them understood at once,
which no speech recogniser can do on two cores. So an utterance carries its own text in the least
significant bits of its mu-law samples: inaudible, and read back in microseconds. It proves that the audio
arrived bit for bit; it does not prove that anybody could understand it. Audio that was decoded, mixed or
resampled on the way has lost its mark, as real speech never had one.

One mark is 32 bits of sync, 8 bits that count the phrases of the utterance, 16 bits of length in bytes, the
UTF-8 text, 32 bits of CRC; it is repeated from the first sample of a phrase to its last, so a lost beginning,
end or packet costs one repetition. Pauses bear no mark, so a turn that ends in one
holds only what was said in it.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from simulator.audio.mulaw import SILENCE
from simulator.audio.phrases import phrases

_SYNC = bytes.fromhex("c15a3e97")
_SYNC_BITS = np.unpackbits(np.frombuffer(_SYNC, dtype=np.uint8)).tobytes()
_COUNT_BITS = 8
_LENGTH_BITS = 16
_HEADER_BITS = 32 + _COUNT_BITS + _LENGTH_BITS
_CRC_BITS = 32
_REPETITIONS = 3
"""At least, so that one survives whole when the beginning and the end are cut off."""


def embed(mulaw: bytes, text: str) -> bytes:
    """The same sound carrying `text`; sound too short for the mark gets silence at its end.

    Raises ValueError for a text over 65,535 bytes.
    """
    found = phrases(mulaw, text)
    marks = [_mark(count, phrase.text) for count, phrase in enumerate(found)]
    if any(
        mark.size * _REPETITIONS > phrase.end - phrase.start
        for phrase, mark in zip(found, marks, strict=True)
    ):
        mark = _mark(0, text)
        return _marked(mulaw.ljust(mark.size * _REPETITIONS, bytes([SILENCE])), mark)
    marked = bytearray(mulaw)
    for phrase, mark in zip(found, marks, strict=True):
        marked[phrase.start : phrase.end] = _marked(mulaw[phrase.start : phrase.end], mark)
    return bytes(marked)


def _mark(count: int, text: str) -> NDArray[np.uint8]:
    payload = text.encode(errors="replace")
    if len(payload) > 0xFFFF:
        raise ValueError(f"a mark holds up to 65535 bytes of text, not {len(payload)}")
    body = bytes([count % 256]) + len(payload).to_bytes(2) + payload
    return np.unpackbits(np.frombuffer(_SYNC + body + zlib.crc32(body).to_bytes(4), dtype=np.uint8))


def _marked(mulaw: bytes, mark: NDArray[np.uint8]) -> bytes:
    samples = np.frombuffer(mulaw, dtype=np.uint8)
    return ((samples & 0xFE) | np.resize(mark, samples.size)).tobytes()


def read(mulaw: bytes) -> str | None:
    """What is said in this sound, by its marks; None when there are none.

    Phrases and utterances come out in order, joined by spaces. The same short utterance twice in a row comes
    out once, because a repetition of the mark and a repetition of the utterance look alike.
    """
    bits = np.bitwise_and(np.frombuffer(mulaw, dtype=np.uint8), np.uint8(1))
    text_of_bits = bits.tobytes()
    found: list[tuple[int, str]] = []
    at = text_of_bits.find(_SYNC_BITS)
    while at >= 0:
        phrase, end = _mark_at(bits, at)
        if phrase is not None and found[-1:] != [phrase]:
            found.append(phrase)
        at = text_of_bits.find(_SYNC_BITS, end)
    return " ".join(text for _, text in found) if found else None


def _mark_at(bits: NDArray[np.uint8], at: int) -> tuple[tuple[int, str] | None, int]:
    """The count and text of the mark that may begin here, and where to look on."""
    header = np.packbits(bits[at + 32 : at + _HEADER_BITS]).tobytes()
    end = at + _HEADER_BITS + int.from_bytes(header[1:]) * 8 + _CRC_BITS
    if end > bits.size:
        return None, at + 1
    body = np.packbits(bits[at + 32 : end]).tobytes()
    if zlib.crc32(body[:-4]).to_bytes(4) != body[-4:]:
        return None, at + 1
    return (body[0], body[3:-4].decode(errors="replace")), end
