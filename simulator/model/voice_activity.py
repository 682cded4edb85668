"""Hears when the caller begins and stops speaking, on the sound itself, by the session's audio clock."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from simulator.audio.mulaw import BYTES_PER_MS, LINEAR
from simulator.model.shapes import Json

_FRAME_MS = 10
_FRAME_BYTES = _FRAME_MS * BYTES_PER_MS
_ENERGY = LINEAR.astype(np.float64) ** 2

_ONSET_FRAMES = 5
"""Loud frames among the last `_ONSET_WINDOW` that make speech: a click of the line is none."""
_ONSET_WINDOW = 8
_LOUDER_THAN_NOISE = 3.0
_STILL_SPEECH = 0.5
"""Speech goes on while it is half as loud as what it took to begin."""
_SEMANTIC_WAIT_MS = {"high": 300, "medium": 500, "auto": 500, "low": 900}
"""The real thing judges whether a sentence is complete; the pretend one waits like this."""
_SEMANTIC_PADDING_MS = 300


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    audio_start_ms: int
    """With the padding before the first loud frame."""


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    audio_start_ms: int
    audio_end_ms: int
    """With the silence that was waited for."""


class VoiceActivity:
    """One caller's voice. `settings` is the session's `turn_detection`."""

    def __init__(self, settings: Json, clock_ms: int) -> None:
        self.speaking = False
        self._clock_ms = clock_ms
        self._start_ms = 0
        self._rest = b""
        self._noise = 30.0
        self._recent: deque[bool] = deque(maxlen=_ONSET_WINDOW)
        self._silent_ms = 0
        self.configure(settings)

    def configure(self, settings: Json) -> None:
        """New settings for a voice that may be in the middle of a sentence."""
        semantic = settings["type"] == "semantic_vad"
        self.padding_ms: int = _SEMANTIC_PADDING_MS if semantic else settings["prefix_padding_ms"]
        self._wait_ms: int = (
            _SEMANTIC_WAIT_MS[settings["eagerness"]] if semantic else settings["silence_duration_ms"]
        )
        # 0.5 is an RMS of 400, about -38 dBFS: quiet speech on a telephone line.
        self._loud: float = 100.0 * 16.0 ** (0.5 if semantic else float(settings["threshold"]))

    def hear(self, mulaw: bytes) -> list[SpeechStarted | SpeechStopped]:
        """The next piece of the caller's audio."""
        audio = self._rest + mulaw
        whole = len(audio) // _FRAME_BYTES * _FRAME_BYTES
        self._rest = audio[whole:]
        energy = _ENERGY[np.frombuffer(audio[:whole], dtype=np.uint8)].reshape(-1, _FRAME_BYTES).mean(axis=1)
        levels: list[float] = np.sqrt(energy).tolist()
        changes: list[SpeechStarted | SpeechStopped] = []
        for level in levels:
            self._clock_ms += _FRAME_MS
            change = self._frame_while_speaking(level) if self.speaking else self._frame_while_silent(level)
            if change is not None:
                changes.append(change)
        return changes

    def forget(self) -> None:
        """The buffer was cleared or committed by hand: whatever was being said is over."""
        self.speaking = False
        self._recent.clear()

    def _frame_while_silent(self, level: float) -> SpeechStarted | None:
        self._recent.append(level > max(self._loud, _LOUDER_THAN_NOISE * self._noise))
        if sum(self._recent) < _ONSET_FRAMES:
            if not self._recent[-1]:
                # The floor falls quickly and rises slowly, so that soft beginnings do not become noise.
                self._noise += (level - self._noise) * (0.2 if level < self._noise else 0.01)
            return None
        first_loud = len(self._recent) - self._recent.index(True)
        self.speaking = True
        self._silent_ms = 0
        self._recent.clear()
        self._start_ms = max(0, self._clock_ms - first_loud * _FRAME_MS - self.padding_ms)
        return SpeechStarted(self._start_ms)

    def _frame_while_speaking(self, level: float) -> SpeechStopped | None:
        if level > _STILL_SPEECH * max(self._loud, _LOUDER_THAN_NOISE * self._noise):
            self._silent_ms = 0
            return None
        self._silent_ms += _FRAME_MS
        if self._silent_ms < max(self._wait_ms, _FRAME_MS):
            return None
        self.speaking = False
        return SpeechStopped(self._start_ms, self._clock_ms)
