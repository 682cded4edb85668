"""A media stream's two sides in the time of the stream: the caller as said, the agent as heard."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from bridge.recording.passed import Clear, Media, Message, Passed, Sound, decoded
from bridge.recording.sent import Sent
from bridge.recording.track import Track
from bridge.wire import twilio
from bridge.wire.pcmu import BYTES_PER_MS, FRAME_BYTES, FRAME_MS

JOINS_WITHIN = FRAME_BYTES // 2
"""Twilio's timestamps waver by a millisecond or two."""
SETTLES_BYTES = 200 * BYTES_PER_MS
"""So much of the newest is kept back: a mark behind it may say that the agent's audio goes on there."""


class Timeline:
    """Take in what passed, in its order; take out stereo mu-law, left the caller, right the agent."""

    def __init__(self) -> None:
        self._caller = Track()
        self._agent = Track()
        self._sent = Sent(self._agent)
        self._clearing: Sent | None = None
        self._clear_mark: str | None = None
        self._now = 0
        """Where the caller's last frame began."""
        self._taken = 0

    def passed(self, passed: Passed) -> None:
        texts, payloads, start = passed.texts, passed.payloads, 0
        for at, sent in passed.others:
            self._frames(texts[start:at], payloads[start:at])
            message = decoded(texts[at])
            if sent:
                self._went(message)
            else:
                self._came(message)
            start = at + 1
        self._frames(texts[start:], payloads[start:])
        self._play()

    def take(self, *, over: bool = False) -> bytes:
        """What is certain by now and was not taken yet; all of it when the stream is `over`."""
        end = self._caller.end - (0 if over else SETTLES_BYTES)
        size = end - self._taken
        if size <= 0:
            return b""
        self._agent.fill(end)
        self._taken = end
        both = bytearray(2 * size)
        both[::2], both[1::2] = self._caller.take(size), self._agent.take(size)
        return bytes(both)

    # What came

    def _came(self, message: Message | None) -> None:
        if isinstance(message, Media):
            self._frame(message.media)
        elif isinstance(message, twilio.Mark):
            self._mark_returned(message.mark.name)

    def _frames(self, texts: Sequence[bytes], payloads: Sequence[bytes]) -> None:
        """Usual ones, many at once: their times are only looked at where they are not one after the other."""
        if not texts:
            return
        first, last = (twilio.media_timestamp_ms(text.decode()) for text in (texts[0], texts[-1]))
        if first is not None and last is not None and last - first == (len(texts) - 1) * FRAME_MS:
            audio = _audio(payloads)
            if len(audio) == len(texts) * FRAME_BYTES:
                self._caller.put(first * BYTES_PER_MS, audio, joins_within=JOINS_WITHIN)
                self._now = last * BYTES_PER_MS
                return
        for text in texts:
            self._came(decoded(text))

    def _frame(self, frame: Sound) -> None:
        if frame.timestamp is not None and frame.payload:
            self._now = frame.timestamp * BYTES_PER_MS
            self._caller.put(self._now, frame.payload, joins_within=JOINS_WITHIN)

    # What went

    def _went(self, message: Message | None) -> None:
        if isinstance(message, Media):
            self._sent.media(message.media.payload)
        elif isinstance(message, Clear):
            self._clear()
        elif isinstance(message, twilio.Mark):
            self._marked(message.mark.name)

    def _marked(self, name: str) -> None:
        if self._clearing is not None and self._clear_mark is None:
            self._clear_mark = name
        else:
            self._sent.mark(name)

    def _clear(self) -> None:
        """The mark that is sent next comes back once it took effect."""
        self._cleared()
        self._clearing, self._clear_mark = self._sent, None
        self._sent = Sent(self._agent)

    def _cleared(self) -> None:
        if self._clearing is not None:
            self._clearing.play(self._now + FRAME_BYTES)
            self._clearing = None

    def _mark_returned(self, name: str) -> None:
        self._play()
        if self._clearing is not None:
            if self._clearing.holds(name) and not self._clearing.came_too_soon(name, self._now):
                self._clearing.returned(name, self._now)
                return
            if name == self._clear_mark or self._clearing.holds(name):
                self._cleared()
                return
        if self._sent.holds(name):
            self._sent.returned(name, self._now)

    def _play(self) -> None:
        playing = self._sent if self._clearing is None else self._clearing
        playing.play(self._now + FRAME_BYTES)


def _audio(payloads: Sequence[bytes]) -> bytes:
    """Decoded as one text, faster than one by one; empty if something is wrong with them."""
    try:
        return b"".join(_decoder.decode(b'["' + b'","'.join(payloads) + b'"]'))
    except msgspec.DecodeError:
        return b""


_decoder = msgspec.json.Decoder(list[bytes])
