"""A phone's ear: hears by loudness when the agent speaks, and keeps each speech until it is over."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from simulator.audio import mulaw, watermark
from simulator.audio.dtmf import KeyEar

FRAME_MS = 20
STILL = bytes([mulaw.SILENCE]) * (FRAME_MS * mulaw.BYTES_PER_MS)
_LOUD = 250 * len(STILL)
"""Of 32,768, the mean of a frame's samples: about -42 dB."""
_LOUDNESS = bytes(min(255, abs(int(sample)) >> 4) for sample in mulaw.LINEAR)
"""A sixteenth of each mu-law byte's loudness, for adding up a frame without decoding it."""
PAUSE_MS = 900
"""Shorter silences are pauses within one speech; the voice pauses up to 840 ms between sentences."""


@dataclass(frozen=True)
class Heard:
    """One speech of the agent. `text`: by its watermark, None when there was none."""

    text: str | None
    began_ms: int
    ended_ms: int


class Ear:
    def __init__(self) -> None:
        self.speaking_since_ms: int | None = None
        """When the speech began that is going on; a pause does not end it."""
        self.last_sound_ms: int | None = None
        self.keys: deque[str] = deque()
        """Heard as tones since somebody last looked."""
        self._key_ear = KeyEar()
        self._speech = bytearray()

    def hear(self, frame: bytes, now_ms: int) -> Heard | None:
        """One more 20 ms; returns the speech that has just been found to be over. Keys are no speech."""
        loud = frame != STILL and sum(frame.translate(_LOUDNESS)) << 4 > _LOUD
        if not loud:
            self._key_ear.pause()
        elif key := self._key_ear.hear(frame):
            self.keys.append(key)
        if loud and not self._key_ear.rings:
            if self.speaking_since_ms is None:
                self.speaking_since_ms = now_ms
                self._speech.clear()
            self.last_sound_ms = now_ms + FRAME_MS
        if self.speaking_since_ms is None:
            return None
        self._speech += frame
        if self.silent_ms(now_ms) < PAUSE_MS:
            return None
        return self.end()

    def silent_ms(self, now_ms: int) -> int:
        """How long nothing has been heard; 0 while something is, and before anything was."""
        return 0 if self.last_sound_ms is None else max(0, now_ms + FRAME_MS - self.last_sound_ms)

    def end(self) -> Heard | None:
        """The speech that was going on, ended by a silence or by the end of the call."""
        if self.speaking_since_ms is None or self.last_sound_ms is None:
            return None
        heard = Heard(watermark.read(bytes(self._speech)), self.speaking_since_ms, self.last_sound_ms)
        self.speaking_since_ms = None
        return heard
