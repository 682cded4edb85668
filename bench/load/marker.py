"""24 bytes at the front of each 20 ms of audio: whose it is, which it is, when it was sent."""

from __future__ import annotations

import base64
import binascii
import struct
import time

FRAME_BYTES = 160
MARKER_CHARS = 32
_MARKER = struct.Struct("<IIIIq")
_MAGIC = 0x2E0A5EED
_SILENCE = b"\xff" * (FRAME_BYTES - _MARKER.size)
_SILENCE_BASE64 = base64.b64encode(_SILENCE)

Marker = tuple[int, int, int, int]
"""Call or session, response, number of the frame, monotonic nanoseconds when it was sent."""


def base64_frame(owner: int, number: int) -> bytes:
    """A caller frame. The marker's length is a multiple of 3: its base64 can be joined to the rest's."""
    marker = _MARKER.pack(owner, 0, number, _MAGIC, time.monotonic_ns())
    return binascii.b2a_base64(marker, newline=False) + _SILENCE_BASE64


def base64_delta(owner: int, response: int, first: int, frames: int) -> str:
    """Agent audio of several frames, all sent now."""
    now = time.monotonic_ns()
    audio = b"".join(
        _MARKER.pack(owner, response, number, _MAGIC, now) + _SILENCE
        for number in range(first, first + frames)
    )
    return base64.b64encode(audio).decode()


def read(head: bytes) -> Marker | None:
    """From the first MARKER_CHARS of a frame's base64. None: this is no audio of ours."""
    return unpack(binascii.a2b_base64(head))


def decoded(audio: bytes) -> bytes:
    """Whole frames of it, the rest left out."""
    whole = binascii.a2b_base64(audio)
    return whole[: len(whole) // FRAME_BYTES * FRAME_BYTES]


def unpack(frame: bytes) -> Marker | None:
    owner, response, number, magic, sent_ns = _MARKER.unpack_from(frame)
    return (owner, response, number, sent_ns) if magic == _MAGIC else None
