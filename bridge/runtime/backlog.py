"""What a peer that does not read is yet to be sent: the newest audio, and every control message."""

from __future__ import annotations

from collections import OrderedDict, deque

MAX_CONTROL_BYTES = 1024 * 1024
"""Of messages that are not audio: marks of hours. A peer that has not read them is gone."""


class Backlog:
    """In order. Audio beyond the bound is dropped, the oldest first: what is heard late is heard wrong."""

    def __init__(self, audio_prefix: str, max_audio_bytes: int) -> None:
        self._audio_prefix = audio_prefix
        self._max_audio_bytes = max_audio_bytes
        self._texts: OrderedDict[int, str] = OrderedDict()
        self._audio: deque[int] = deque()
        """Which of the texts are audio."""
        self._added = 0
        self._audio_bytes = 0
        self._control_bytes = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def hopeless(self) -> bool:
        return self._control_bytes > MAX_CONTROL_BYTES

    def add(self, text: str) -> None:
        self._added += 1
        self._texts[self._added] = text
        if not text.startswith(self._audio_prefix):
            self._control_bytes += len(text)
            return
        self._audio.append(self._added)
        self._audio_bytes += len(text)
        while self._audio_bytes > self._max_audio_bytes:
            self._audio_bytes -= len(self._texts.pop(self._audio.popleft()))
            self.dropped += 1

    def pop(self) -> str:
        """The oldest. Raises KeyError when there is none."""
        number, text = self._texts.popitem(last=False)
        if self._audio and self._audio[0] == number:
            self._audio.popleft()
            self._audio_bytes -= len(text)
        else:
            self._control_bytes -= len(text)
        return text

    def clear(self) -> None:
        self._texts.clear()
        self._audio.clear()
        self._audio_bytes = self._control_bytes = 0
