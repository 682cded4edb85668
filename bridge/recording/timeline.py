"""A media stream's two sides in the time of the stream: the caller as said, the agent as heard."""

from __future__ import annotations

import binascii
from collections.abc import Sequence

from bridge.recording.sent import Sent
from bridge.recording.track import Track
from bridge.wire import twilio
from bridge.wire.pcmu import BYTES_PER_MS, FRAME_BYTES, FRAME_MS

FRAME_BYTES_APART = FRAME_MS * BYTES_PER_MS
JOINS_WITHIN = FRAME_BYTES // 2
"""Twilio's timestamps waver by a millisecond or two."""
SETTLES_BYTES = 200 * BYTES_PER_MS
"""So much of the newest is kept back: a mark behind it may say that the agent's audio goes on there."""
_CLEAR = '{"event":"clear"'
_PAYLOAD, _TIMESTAMP = '"payload":"', '"timestamp":"'

Passed = str | Sequence[str]
"""What went over the media socket: a text that we sent, or all that came at once."""


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

    def passed(self, items: Sequence[Passed]) -> None:
        frames: list[str] = []
        for item in items:
            if isinstance(item, str):
                if item.startswith(twilio.MEDIA_PREFIX):
                    self._sent.media(_decoded(item.partition(_PAYLOAD)[2].partition('"')[0]))
                elif item.startswith(_CLEAR):
                    self._frames(frames)
                    frames = []
                    self._clear()
                else:
                    self._marked(item)
                continue
            for text in item:
                if text.startswith(twilio.MEDIA_PREFIX):
                    frames.append(text)
                else:
                    self._frames(frames)
                    frames = []
                    self._came(text)
        self._frames(frames)
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

    # The caller

    def _came(self, text: str) -> None:
        message = twilio.decode(text)
        if isinstance(message, twilio.Mark):
            self._mark_returned(message.mark.name)
        elif isinstance(message, twilio.Media):
            self._frame(text)

    def _frames(self, texts: list[str]) -> None:
        """Many at once: their times are only looked at where they are not one after the other."""
        if not texts:
            return
        first, last = _at(texts[0]), _at(texts[-1])
        if first is None or last is None or last - first != (len(texts) - 1) * FRAME_BYTES_APART:
            for text in texts:
                self._frame(text)
            return
        try:
            audio = b"".join(
                [binascii.a2b_base64(text.partition(_PAYLOAD)[2].partition('"')[0]) for text in texts]
            )
        except (binascii.Error, ValueError):
            audio = b""
        if len(audio) == len(texts) * FRAME_BYTES:
            self._caller.put(first, audio, joins_within=JOINS_WITHIN)
            self._now = last
        else:
            for text in texts:
                self._frame(text)

    def _frame(self, text: str) -> None:
        at, payload = _at(text), twilio.media_payload(text)
        audio = _decoded(payload or "")
        if at is not None and audio:
            self._caller.put(at, audio, joins_within=JOINS_WITHIN)
            self._now = at

    # The agent

    def _marked(self, text: str) -> None:
        message = twilio.decode(text)
        if not isinstance(message, twilio.Mark):
            return
        if self._clearing is not None and self._clear_mark is None:
            self._clear_mark = message.mark.name
        else:
            self._sent.mark(message.mark.name)

    def _clear(self) -> None:
        """The mark that is sent next comes back once it took effect."""
        self._cleared()
        self._clearing, self._clear_mark = self._sent, None
        self._sent = Sent(self._agent)

    def _cleared(self) -> None:
        if self._clearing is not None:
            self._clearing.play(self._now + FRAME_BYTES_APART)
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
        playing.play(self._now + FRAME_BYTES_APART)


def _at(text: str) -> int | None:
    """Where a frame of the caller's begins, in bytes."""
    digits = text.partition(_TIMESTAMP)[2].partition('"')[0]
    if digits.isdigit() and len(digits) <= 12:
        return int(digits) * BYTES_PER_MS
    at_ms = twilio.media_timestamp_ms(text)
    return None if at_ms is None else at_ms * BYTES_PER_MS


def _decoded(payload: str) -> bytes:
    try:
        return binascii.a2b_base64(payload)
    except (binascii.Error, ValueError):
        return b""
