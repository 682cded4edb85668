"""The input audio buffer of a session: what was appended, on a clock that only appended audio moves."""

from __future__ import annotations

import base64
import binascii

from simulator.audio.mulaw import BYTES_PER_MS
from simulator.model.audio_format import Incoming
from simulator.model.shapes import Json, Refused
from simulator.model.voice_activity import SpeechStarted, SpeechStopped, VoiceActivity

_LARGEST_APPEND = 15 * 1024 * 1024
_SHORTEST_COMMIT_MS = 100
_LONGEST_MS = 600_000
"""Of audio that nobody commits."""


class InputAudio:
    """Mu-law, whatever the session's format is."""

    def __init__(self, audio_format: Json, turn_detection: Json | None) -> None:
        self.voice: VoiceActivity | None = None
        self._incoming = Incoming(audio_format)
        self._kept = bytearray()
        self._received = 0
        self.configure(audio_format, turn_detection)

    @property
    def clock_ms(self) -> int:
        """Audio appended in this session."""
        return self._received // BYTES_PER_MS

    @property
    def buffered_ms(self) -> float:
        return len(self._kept) / BYTES_PER_MS

    def configure(self, audio_format: Json, turn_detection: Json | None) -> None:
        if audio_format["type"] != self._incoming.type:
            self._incoming = Incoming(audio_format)
        if turn_detection is None:
            self.voice = None
        elif self.voice is None:
            self.voice = VoiceActivity(turn_detection, self.clock_ms)
        else:
            self.voice.configure(turn_detection)

    def append_base64(self, text: str) -> list[SpeechStarted | SpeechStopped]:
        """Raises Refused."""
        try:
            audio = base64.b64decode(text, validate=True)
        except binascii.Error:
            message = "Invalid 'audio'. Expected base64-encoded audio bytes."
            raise Refused("invalid_value", message, "audio") from None
        if len(audio) > _LARGEST_APPEND:
            raise Refused("invalid_value", "Invalid 'audio': more than 15 MiB in one event.", "audio")
        return self.append(audio)

    def append(self, audio: bytes) -> list[SpeechStarted | SpeechStopped]:
        mulaw = self._incoming.mulaw(audio)
        self._kept += mulaw
        self._received += len(mulaw)
        changes = [] if self.voice is None else self.voice.hear(mulaw)
        if self.voice is not None and not self.voice.speaking and not changes:
            # Only speech is kept; 1 s more than the padding covers what it takes to notice it.
            del self._kept[: -(self.voice.padding_ms + 1000) * BYTES_PER_MS]
        elif len(self._kept) > _LONGEST_MS * BYTES_PER_MS:
            del self._kept[: -_LONGEST_MS * BYTES_PER_MS]
        return changes

    def between(self, start_ms: int, end_ms: int) -> bytes:
        """What is still kept of this stretch."""
        first_byte = self._received - len(self._kept)
        start = max(0, start_ms * BYTES_PER_MS - first_byte)
        return bytes(self._kept[start : max(start, end_ms * BYTES_PER_MS - first_byte)])

    def forget_until(self, end_ms: int) -> None:
        first_byte = self._received - len(self._kept)
        del self._kept[: max(0, end_ms * BYTES_PER_MS - first_byte)]

    def take_all(self) -> bytes:
        """A commit by hand. Raises Refused."""
        if self.buffered_ms < _SHORTEST_COMMIT_MS:
            raise Refused(
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, "
                f"but buffer only has {self.buffered_ms:.2f}ms of audio.",
            )
        taken = bytes(self._kept)
        self.clear()
        return taken

    def clear(self) -> None:
        self._kept.clear()
        if self.voice is not None:
            self.voice.forget()
