"""WebSocket frames (RFC 6455) of one connection: bytes in, messages out, and the other way round.

No extensions, so no compression. How to mask, and with which keys, is lent: nothing here rolls dice.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from msgspec import Struct

Mask = Callable[[bytes, bytes], bytes]
"""Of a payload and a key of four bytes; the same masks and unmasks."""

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
OPCODES = frozenset({CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG})
FINAL_TEXT = 0x80 | TEXT
MAX_CONTROL_BYTES = 125
MASKED = 0x80
"""The bit of a frame's second byte."""

PROTOCOL_ERROR, NO_CODE, NOT_UTF8, TOO_BIG = 1002, 1005, 1007, 1009
CODES_ON_THE_WIRE = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})

_TWO_BYTE_LENGTH = struct.Struct("!BBH").pack
_EIGHT_BYTE_LENGTH = struct.Struct("!BBQ").pack


class Binary(Struct, frozen=True):
    payload: bytes


class Ping(Struct, frozen=True):
    payload: bytes


class Pong(Struct, frozen=True):
    payload: bytes


class Closed(Struct, frozen=True):
    """The peer's close frame, after which nothing is read. 1005: it named no code."""

    code: int
    reason: str


class Violation(Struct, frozen=True):
    """The peer broke the protocol, or a limit: to be closed with this code. Nothing more is read."""

    code: int
    why: str


Signal = Binary | Ping | Pong | Closed | Violation


class Receiver:
    """The receiving half. `masked`: the peer is a client."""

    def __init__(self, *, masked: bool, mask: Mask, max_message_bytes: int) -> None:
        self.signals: list[Signal] = []
        """What came beside text, in order; whoever reads it empties it."""
        self._mask_bit = MASKED if masked else 0
        self._key_bytes = 4 if masked else 0
        self._usual = bytes((FINAL_TEXT, self._mask_bit | 126))
        """How a whole text of 126 bytes to 64 KB begins."""
        self._mask = mask
        self._max_bytes = max_message_bytes
        self._over = False
        self._rest = bytearray()
        """The beginning of a frame, until `_need` bytes of it are there."""
        self._need = 0
        self._fragments = bytearray()
        self._fragments_opcode = CONTINUATION
        """Of the message whose fragments are being collected; CONTINUATION: of none."""

    @property
    def whole(self) -> bool:
        """Nothing has begun that is not all there: the next read begins with a message, or a signal."""
        return not self._rest and self._fragments_opcode == CONTINUATION and not self._over

    def feed(self, data: bytes) -> list[str]:
        """The text messages that these bytes complete."""
        if self._rest:
            self._rest += data
            if len(self._rest) < self._need:
                return []
            data = bytes(self._rest)
            self._rest.clear()
        texts: list[str] = []
        start, end = self._take_usual(data, texts), len(data)
        while start < end and not self._over:
            stop = self._take_frame(data, start, end, texts)
            if not stop:
                self._rest += data[start:]
                break
            start = stop
        return texts

    def _take_usual(self, data: bytes, texts: list[str]) -> int:
        """What a read mostly begins with: whole texts of 126 bytes to 64 KB. Returns where they end."""
        start, end = 0, len(data)
        if self._fragments_opcode or self._over:
            return start
        while data[start : start + 2] == self._usual and end - start > 8:
            payload_at = start + 4 + self._key_bytes
            stop = payload_at + (data[start + 2] << 8 | data[start + 3])
            if stop > end or stop - payload_at > self._max_bytes:
                break
            payload = data[payload_at:stop]
            if self._key_bytes:
                payload = self._mask(payload, data[payload_at - 4 : payload_at])
            try:
                texts.append(payload.decode())
            except UnicodeDecodeError:
                break
            start = stop
        return start

    def _take_frame(self, data: bytes, start: int, end: int, texts: list[str]) -> int:
        """Where the frame that begins at `start` ends; 0: not all of it is there yet."""
        if end - start < 2:
            self._need = 2
            return 0
        first, second = data[start], data[start + 1]
        payload_at = start + 2 + self._key_bytes
        length = second & 0x7F
        if length > 125:
            payload_at += 2 if length == 126 else 8
            if payload_at > end:
                self._need = payload_at - start
                return 0
            length = int.from_bytes(data[start + 2 : payload_at - self._key_bytes])
        usual = first == FINAL_TEXT and second & 0x80 == self._mask_bit and length <= self._max_bytes
        if not (usual and not self._fragments_opcode) and not self._allowed(first, second, length):
            return end
        stop = payload_at + length
        if stop > end:
            self._need = stop - start
            return 0
        payload = data[payload_at:stop]
        if self._key_bytes:
            payload = self._mask(payload, data[payload_at - 4 : payload_at])
        if first == FINAL_TEXT:
            self._take_text(payload, texts)
        elif first & 0x08:
            self._take_control(first & 0x0F, payload)
        else:
            self._take_fragment(first, payload, texts)
        return stop

    def _allowed(self, first: int, second: int, length: int) -> bool:
        """Whether a frame may begin so here."""
        opcode, final = first & 0x0F, first & 0x80
        control = opcode & 0x08
        if opcode not in OPCODES:
            self._fail(PROTOCOL_ERROR, "an unknown opcode")
        elif second & 0x80 != self._mask_bit:
            self._fail(PROTOCOL_ERROR, "masked the wrong way")
        elif length + len(self._fragments) > self._max_bytes:
            self._fail(TOO_BIG, "a message that is too big")
        elif first & 0x70:
            self._fail(PROTOCOL_ERROR, "a reserved bit is set")
        elif control and (not final or length > MAX_CONTROL_BYTES):
            self._fail(PROTOCOL_ERROR, "a long or fragmented control frame")
        elif not control and (opcode == CONTINUATION) != (self._fragments_opcode != CONTINUATION):
            self._fail(PROTOCOL_ERROR, "a fragment out of turn")
        return not self._over

    def _take_text(self, payload: bytes, texts: list[str]) -> None:
        try:
            texts.append(payload.decode())
        except UnicodeDecodeError:
            self._fail(NOT_UTF8, "text that is not UTF-8")

    def _take_fragment(self, first: int, payload: bytes, texts: list[str]) -> None:
        if first & 0x0F:
            self._fragments_opcode = first & 0x0F
        self._fragments += payload
        if first & 0x80:
            opcode, whole = self._fragments_opcode, bytes(self._fragments)
            self._fragments.clear()
            self._fragments_opcode = CONTINUATION
            if opcode == TEXT:
                self._take_text(whole, texts)
            else:
                self.signals.append(Binary(whole))

    def _take_control(self, opcode: int, payload: bytes) -> None:
        if opcode == PING:
            self.signals.append(Ping(payload))
        elif opcode == PONG:
            self.signals.append(Pong(payload))
        else:
            self._take_close(payload)

    def _take_close(self, payload: bytes) -> None:
        code = int.from_bytes(payload[:2]) if payload else NO_CODE
        try:
            reason = payload[2:].decode()
        except UnicodeDecodeError:
            self._fail(NOT_UTF8, "a close reason that is not UTF-8")
            return
        if len(payload) == 1 or (payload and code not in CODES_ON_THE_WIRE):
            self._fail(PROTOCOL_ERROR, "a close frame without a right code")
            return
        self._over = True
        self.signals.append(Closed(code, reason))

    def _fail(self, code: int, why: str) -> None:
        self._over = True
        self.signals.append(Violation(code, why))


class Sender:
    """The sending half. With `keys` (each good for one frame) it is a client's, and masks."""

    def __init__(self, mask: Mask, keys: Iterator[bytes] | None = None) -> None:
        self._mask = mask
        self._keys = keys
        self._mask_bit = 0 if keys is None else MASKED

    def text(self, text: str) -> bytes:
        return self.message(text.encode())

    def message(self, payload: bytes) -> bytes:
        """A text that is encoded already."""
        length = len(payload)
        if not 126 <= length < 0x10000:
            return self.frame(FINAL_TEXT, payload)
        header = _TWO_BYTE_LENGTH(FINAL_TEXT, self._mask_bit | 126, length)
        if self._keys is None:
            return header + payload
        key = next(self._keys)
        return header + key + self._mask(payload, key)

    def ping(self) -> bytes:
        return self.frame(0x80 | PING, b"")

    def pong(self, payload: bytes) -> bytes:
        return self.frame(0x80 | PONG, payload)

    def close(self, code: int) -> bytes:
        return self.frame(0x80 | CLOSE, b"" if code == NO_CODE else code.to_bytes(2))

    def frame(self, first: int, payload: bytes) -> bytes:
        """`first`: the frame's first byte, FIN and opcode."""
        length, bit = len(payload), self._mask_bit
        if length < 126:
            header = bytes((first, bit | length))
        elif length < 0x10000:
            header = _TWO_BYTE_LENGTH(first, bit | 126, length)
        else:
            header = _EIGHT_BYTE_LENGTH(first, bit | 127, length)
        if self._keys is None:
            return header + payload
        key = next(self._keys)
        return header + key + self._mask(payload, key)


def usual_header(length: int, mask_bit: int) -> bytes:
    """Of a whole text of 126 bytes to 64 KB."""
    return _TWO_BYTE_LENGTH(FINAL_TEXT, mask_bit | 126, length)


def mask_keys(random: Callable[[int], bytes], pool_bytes: int = 4096) -> Iterator[bytes]:
    """Keys of four bytes, drawn a pool at a time: asking the system for each costs more than masking."""
    while True:
        pool = random(pool_bytes)
        for at in range(0, pool_bytes, 4):
            yield pool[at : at + 4]
