"""The caller's usual frames, from the one socket to the other in one step.

Among hundreds of calls a frame costs what it takes to fetch, from memory, the objects of its call: it goes
through as few of them as can be. Whatever is not as Twilio always writes it, or may not be written now, goes
the usual way, by `LiveCall.phone_texts`; what the model gets is the same, byte for byte.
"""

from __future__ import annotations

from websockets.speedups import apply_mask

from bridge.call.caller_line import FRAME_CHARACTERS, CallerLine
from bridge.runtime.legs import Overhearing, Socket
from bridge.runtime.socket_leg import MASK_KEYS
from bridge.wire.pcmu import FRAME_BYTES
from bridge.wire.twilio import MEDIA_PREFIX, PAYLOAD
from bridge.wire.websocket import MASKED, usual_header

_BEGINS = usual_header(0, MASKED)[:2]
_HEAD_BYTES = 8
"""Of a masked frame of 126 bytes to 64 KB: two, its length, its key."""
_MEDIA = MEDIA_PREFIX.encode()
_PAYLOAD = PAYLOAD.encode()
_next_key = MASK_KEYS.__next__


class CallerSplice:
    """Of one media socket and one of the model's."""

    __slots__ = ("_header", "_line", "_model", "_overhear", "_prefix", "_suffix", "_write")

    def __init__(self, line: CallerLine, model: Socket, overhears: Overhearing | None = None) -> None:
        self._line = line
        self._model = model
        self._write = model.write
        self._overhear = None if overhears is None else overhears.heard
        self._prefix, self._suffix = line.prefix.encode(), line.suffix.encode()
        self._header = usual_header(len(self._prefix) + FRAME_CHARACTERS + len(self._suffix), MASKED)

    def take(self, data: bytes) -> int:
        """Of what one read held: how many of its bytes, from the first on, were taken. The rest is to go the
        usual way."""
        line = self._line
        if not line.is_open or self._model.paused or self._model.closing:
            return 0
        taken, size = 0, len(data)
        frames: list[bytes] = []
        while size - taken > _HEAD_BYTES and data[taken : taken + 2] == _BEGINS:
            body = taken + _HEAD_BYTES
            stop = body + (data[taken + 2] << 8 | data[taken + 3])
            if stop > size:
                break
            message = apply_mask(data[body:stop], data[taken + 4 : body])
            begin = message.find(_PAYLOAD) + len(_PAYLOAD)
            end = begin + FRAME_CHARACTERS
            if (
                not message.startswith(_MEDIA)
                or message.find(b'"', begin) != end
                or not message.startswith(b"==", end - 2)
                or begin < len(_PAYLOAD)
                or not message.isascii()
                or b"\\" in message
            ):
                break
            payload = message[begin:end]
            line.recent.append(payload)
            line.sent_bytes += FRAME_BYTES
            line.last_media = message
            key = _next_key()
            frames.append(self._header + key + apply_mask(self._prefix + payload + self._suffix, key))
            if self._overhear is not None:
                self._overhear(message, payload)
            taken = stop
        if taken:
            self._write(frames[0] if len(frames) == 1 else b"".join(frames))
        return taken
