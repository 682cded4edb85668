"""One leg's audio: every 20 ms the phone hears a frame and says one, whatever is at the other end."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from simulator.network.playout import FRAME_BYTES, FRAME_MS, SILENCE
from simulator.phones.phone import Phone


class Attachment(Protocol):
    """What the network has at its end of the line."""

    def exchange(self, mouth: bytes) -> bytes:
        """Takes the caller's 20 ms and returns what is played to the phone meanwhile."""
        ...

    def press(self, key: str) -> None: ...


class Nothing:
    """Silence, and nobody who listens."""

    def exchange(self, mouth: bytes) -> bytes:
        return SILENCE

    def press(self, key: str) -> None:
        pass


class Playing:
    """Some audio, played once."""

    def __init__(self, audio: bytes) -> None:
        self._audio = audio
        self._played = 0
        self.done = asyncio.Event()

    def exchange(self, mouth: bytes) -> bytes:
        frame = self._audio[self._played : self._played + FRAME_BYTES]
        self._played += FRAME_BYTES
        if not frame:
            self.done.set()
        return frame.ljust(FRAME_BYTES, SILENCE[:1])

    def press(self, key: str) -> None:
        pass


class Bridge:
    """One end of two joined lines."""

    def __init__(self) -> None:
        self.other = self
        self._frames: deque[bytes] = deque(maxlen=10)

    def exchange(self, mouth: bytes) -> bytes:
        self.other._frames.append(mouth)
        return self._frames.popleft() if self._frames else SILENCE

    def press(self, key: str) -> None:
        pass


def join(one: Line, other: Line) -> None:
    """From now on the two phones talk with each other."""
    ends = Bridge(), Bridge()
    ends[0].other, ends[1].other = ends[1], ends[0]
    one.attachment, other.attachment = ends


class Line:
    def __init__(self, phone: Phone, jitter_buffer_ms: float) -> None:
        self.phone = phone
        self.attachment: Attachment = Nothing()
        self.said = bytearray()
        """All that the phone has said since the answer, mu-law."""
        self.heard = bytearray()
        """All that its ear has heard, in step with `said`."""
        self._ticked: asyncio.Event | None = None
        """Somebody waits for the next 20 ms."""
        self._on_the_way = deque([SILENCE] * max(1, round(jitter_buffer_ms / FRAME_MS)))

    def tick(self) -> None:
        """20 ms. Without a jitter buffer the ear still hears one frame late, as it speaks before it hears."""
        heard = self._on_the_way.popleft()
        mouth = self.phone.tick(heard)
        self._on_the_way.append(self.attachment.exchange(mouth))
        self.said += mouth
        self.heard += heard
        while self.phone.pressed:
            self.attachment.press(self.phone.pressed.popleft())

    async def next_tick(self) -> None:
        self._ticked = self._ticked or asyncio.Event()
        await self._ticked.wait()

    async def run(self) -> None:
        """Keeps the line's time, on an absolute clock, until the phone hangs up."""
        loop = asyncio.get_running_loop()
        next_at = loop.time()
        while not self.phone.hung_up:
            self.tick()
            if self._ticked is not None:
                self._ticked.set()
                self._ticked = None
            next_at += FRAME_MS / 1000
            await asyncio.sleep(max(0.0, next_at - loop.time()))
