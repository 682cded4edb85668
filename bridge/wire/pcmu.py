"""Arithmetic of mu-law audio at 8 kHz and its base64 text: 8 bytes are 1 ms, 160 bytes a frame of 20 ms."""

from __future__ import annotations

import binascii

BYTES_PER_MS = 8
FRAME_BYTES = 160
FRAME_MS = 20


def payload_bytes(payload: str) -> int:
    """How many bytes a base64 text stands for, without decoding it."""
    return len(payload) * 3 // 4 - (payload[-2:].count("=") if payload else 0)


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
        except binascii.Error:
            return "", 0
        whole = len(audio) - len(audio) % FRAME_BYTES
        self._carried = audio[whole:]
        return (binascii.b2a_base64(audio[:whole], newline=False).decode(), whole) if whole else ("", 0)

    def rest(self) -> tuple[str, int]:
        """What is still carried, at the end of an item."""
        audio, self._carried = self._carried, b""
        return (binascii.b2a_base64(audio, newline=False).decode(), len(audio)) if audio else ("", 0)

    def drop(self) -> None:
        self._carried = b""
