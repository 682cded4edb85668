"""WAV files of operators: read what a telephone can play, written as it is played."""

from __future__ import annotations

import struct
import sys
from array import array

from msgspec import Struct

from bridge.wire.pcmu import encode

RATE = 8_000
MAX_SECONDS = 15
_PCM, _MULAW, _EXTENSIBLE = 1, 7, 0xFFFE
"""RFC 2361 lists them; an extensible header has the real one at the start of its GUID."""
_CONVERT = "Convert it: `ffmpeg -i yours.wav -ar 8000 -ac 1 telephone.wav`."


class BadWav(ValueError):
    """The message says what is wrong and what to do."""


class _Format(Struct, frozen=True):
    tag: int
    channels: int
    rate: int
    bits: int

    def __str__(self) -> str:
        kind = {_PCM: "PCM", _MULAW: "mu-law"}.get(self.tag, f"format {self.tag}")
        return f"{self.rate} Hz, {self.channels} channel(s), {self.bits}-bit {kind}"


def from_wav(data: bytes) -> bytes:
    """Its sound as mu-law. 8 kHz mono, 16-bit PCM or mu-law; raises BadWav."""
    found, sound = _chunks(data)
    if found.rate != RATE or found.channels != 1 or (found.tag, found.bits) not in ((_PCM, 16), (_MULAW, 8)):
        raise BadWav(f"It is {found}; a line is 8000 Hz, 1 channel, 16-bit PCM or mu-law. {_CONVERT}")
    seconds = len(sound) / RATE / (found.bits // 8)
    if seconds > MAX_SECONDS:
        raise BadWav(f"It lasts {seconds:.1f} s; a line may last {MAX_SECONDS} s. Cut it.")
    if found.tag == _MULAW:
        return sound
    samples = array("h")
    samples.frombytes(sound[: len(sound) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    return encode(samples)


def to_wav(mulaw: bytes) -> bytes:
    form = struct.pack("<HHIIHHH", _MULAW, 1, RATE, RATE, 1, 8, 0)
    chunks = b"".join(
        name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
        for name, content in (
            (b"fmt ", form),
            (b"fact", struct.pack("<I", len(mulaw))),
            (b"data", mulaw),
        )
    )
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def _chunks(data: bytes) -> tuple[_Format, bytes]:
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise BadWav(f"This is not a WAV file. {_CONVERT}")
    found: _Format | None = None
    place = 12
    while place + 8 <= len(data):
        name, size = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        # Programs that write into a pipe do not know the length of what is to come: all there is counts.
        content = data[place + 8 : place + 8 + size]
        if name == b"fmt " and len(content) >= 16:
            tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", content)
            if tag == _EXTENSIBLE and len(content) >= 26:
                tag = int.from_bytes(content[24:26], "little")
            found = _Format(tag, channels, rate, bits)
        elif name == b"data" and found is not None and content:
            return found, content
        place += 8 + size + size % 2
    raise BadWav(f"This WAV file is broken, or holds no sound. {_CONVERT}")
