"""More of what the agent is saying, from the one socket to the other in one step.

As with the caller's frames: what is not as the model always writes it, or is to be thought about, goes the
usual way, by `LiveCall.model_texts`; what the phone gets is the same, byte for byte.
"""

from __future__ import annotations

from websockets.speedups import apply_mask

from bridge.call.agent_line import AgentLine
from bridge.runtime.legs import Overhearing, Socket
from bridge.wire.pcmu import FRAME_BYTES, payload_bytes
from bridge.wire.websocket import Sender, usual_header

_BEGINS = usual_header(0, 0)[:2]
_HEAD_BYTES = 4
"""Of a frame of 126 bytes to 64 KB that is not masked: two, and its length."""
_framed = Sender(apply_mask).message


class AgentSplice:
    """Of one socket of the model's and one media socket."""

    __slots__ = ("_begins", "_line", "_overhear", "_payload_key", "_phone", "_words_begin", "_write")

    def __init__(self, line: AgentLine, phone: Socket, overhears: Overhearing | None = None) -> None:
        self._line = line
        self._phone = phone
        self._write = phone.write
        self._overhear = None if overhears is None else overhears.sent
        self._begins, self._payload_key = line.shape.begins, line.shape.payload_key
        self._words_begin = line.shape.words_begin

    def take(self, data: bytes) -> int:
        """Of what one read held: how many of its bytes, from the first on, were taken. The rest is to go the
        usual way."""
        line = self._line
        if not line.is_open or self._phone.paused or self._phone.closing:
            return 0
        taken, size = 0, len(data)
        frames: list[bytes] = []
        while size - taken > _HEAD_BYTES and data[taken : taken + 2] == _BEGINS:
            body = taken + _HEAD_BYTES
            stop = body + (data[taken + 2] << 8 | data[taken + 3])
            if stop > size:
                break
            message = data[body:stop]
            if message.startswith(self._begins):
                texts = self._spliced(message)
                if texts is None:
                    break
                frames += map(_framed, texts)
                if self._overhear is not None:
                    for text in texts:
                        self._overhear(text)
            elif message.startswith(self._words_begin):
                try:
                    line.words.append(message.decode())
                except UnicodeDecodeError:
                    break
            else:
                break
            taken = stop
        if frames:
            self._write(b"".join(frames))
        return taken

    def _spliced(self, message: bytes) -> tuple[bytes, bytes] | None:
        """The same audio as a message of Twilio's, and the mark behind it."""
        line, key = self._line, self._payload_key
        begin = message.find(key) + len(key)
        end = message.find(b'"', begin)
        payload = message[begin:end]
        size = payload_bytes(payload)
        if (
            begin < len(key)
            or end <= begin
            or size % FRAME_BYTES
            or line.item_id not in message
            or b"\\" in message
            or not message.isascii()
        ):
            return None
        return line.stream.media_bytes(payload), line.stream.mark(line.said(size)).encode()
