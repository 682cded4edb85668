"""The caller's audio on its way to the model: the same base64 text, spliced into another message.

What the model has not understood yet is kept for a while: if its session is lost, the next one hears it.
"""

from __future__ import annotations

from collections import deque
from itertools import islice

from bridge.call.engine import Engine
from bridge.wire import pcmu, twilio

PREROLL_FRAMES = 500
"""Ten seconds are kept while the model is being reached; then the oldest goes."""
RECENT_FRAMES = 110
"""2.2 s: a lost session is noticed within two."""
UTTERANCE_FRAMES = 1500
"""Half a minute of what the caller says at a stretch."""

FRAME_CHARACTERS = 216
"""Of 20 ms as base64, two of padding among them."""


class CallerLine:
    def __init__(self, engine: Engine) -> None:
        self._prefix, self._suffix = engine.append_prefix, engine.append_suffix
        self._open = False
        self._shut = False
        self._recent: deque[str] = deque(maxlen=PREROLL_FRAMES)
        """What the model does not have, or may not have understood; the newest last."""
        self._unsent = 0
        """How many of them, the newest, were not sent to any session."""
        self.told = 0
        """How many of them, the oldest, a session that is to hear the rest was told of otherwise."""
        self.connected = False
        """There is a media stream."""
        self._last_media = ""
        self._sent_bytes = 0

    def frame(self, text: str) -> str | None:
        """Twilio's `media` as the model's message; '' while it is kept or dropped; None: it is no caller
        audio."""
        payload = twilio.media_payload(text)
        if payload is None:
            return None
        self._last_media = text
        if self._open:
            # Twilio's usual frame: counting what its text stands for takes longer than all the rest.
            whole = len(payload) == FRAME_CHARACTERS and payload.endswith("==")
            self._sent_bytes += pcmu.FRAME_BYTES if whole else pcmu.payload_bytes(payload)
            self._recent.append(payload)
            return self._prefix + payload + self._suffix
        if not self._shut:
            self._recent.append(payload)
            self._unsent += 1
        return ""

    def open(self) -> list[str]:
        """Caller and model are both there: what was kept, to be sent now; from now on each frame goes at
        once."""
        if self._open:
            return []
        self._open = True
        self._sent_bytes = sum(pcmu.payload_bytes(payload) for payload in self._recent)
        kept = list(islice(self._recent, self.told, None))
        self._unsent = 0
        if self._recent.maxlen == PREROLL_FRAMES:
            self._recent = deque(self._recent, maxlen=RECENT_FRAMES)
        return [self._prefix + payload + self._suffix for payload in kept]

    def lost(self) -> None:
        """The session that heard the caller is gone: all is kept for the next one."""
        self._open = False
        if self._recent.maxlen != UTTERANCE_FRAMES:
            self._recent = deque(self._recent, maxlen=UTTERANCE_FRAMES)

    def shut(self) -> None:
        """Nothing is sent any more."""
        self._open, self._shut = False, True
        self._recent.clear()

    def new_stream(self) -> None:
        """A media stream, whose clock begins at 0."""
        self._last_media = ""
        self.connected = True

    # What the model has understood

    def speech_began(self) -> None:
        """What is said from now on is kept until it is understood."""
        if self._recent.maxlen != UTTERANCE_FRAMES:
            self._recent = deque(self._recent, maxlen=UTTERANCE_FRAMES)

    def understood(self, audio_ms: int) -> None:
        """The model has put into words all that the caller said up to there."""
        if self._open:
            self.told = 0
            self._recent = deque(
                islice(self._recent, self.frames_until(audio_ms), None), maxlen=RECENT_FRAMES
            )

    def frames_until(self, audio_ms: int) -> int:
        """How many of the kept frames lie before that position in the audio sent on this session."""
        since = max(0, self.sent_ms - audio_ms) // pcmu.FRAME_MS
        return max(0, len(self._recent) - self._unsent - since)

    def first(self, frames: int) -> list[str]:
        """The oldest of what is kept."""
        return list(islice(self._recent, frames))

    def loud(self, frames: int) -> bool:
        """Somebody seems to have spoken in the last so many frames. Decodes them: not for every day."""
        newest = islice(reversed(self._recent), frames)
        return sum(pcmu.is_loud(payload) for payload in newest) * pcmu.FRAME_MS >= LOUD_MS

    @property
    def sent_ms(self) -> int:
        """The model's clock: caller audio sent on its session."""
        return self._sent_bytes // pcmu.BYTES_PER_MS

    @property
    def stream_ms(self) -> int:
        """Twilio's clock: where the caller's audio stands. Read from the last frame only when it is asked
        for."""
        return twilio.media_timestamp_ms(self._last_media) or 0


LOUD_MS = 100
"""Of loud frames, for speech."""
