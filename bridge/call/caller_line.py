"""The caller's audio on its way to the model: the same base64 text, spliced into another message.

What the model has not understood yet is kept for a while: if its session is lost, the next one hears it.
"""

from __future__ import annotations

from bridge.call.engine import Engine
from bridge.call.kept_audio import KeptAudio
from bridge.wire import pcmu, twilio

PREROLL_FRAMES = 500
"""Ten seconds are kept while the model is being reached; then the oldest goes."""
RECENT_FRAMES = 110
"""2.2 s: a lost session is noticed within two."""
UTTERANCE_FRAMES = 1500
"""Half a minute of what the caller says at a stretch."""

BEFORE_SPEECH_MS = 500
"""The model names the beginning of speech when it is sure of it; speech may begin a little before."""

FRAME_CHARACTERS = 216
"""Of 20 ms as base64, two of padding among them."""


class CallerLine:
    """What `frame` does with a usual frame while this is open, `bridge.runtime.caller_splice` does too."""

    # Side by side in memory, where fetching them is most of what a frame costs.
    __slots__ = (
        "_shut", "_unsent", "connected", "is_open", "last_media",
        "prefix", "recent", "sent_bytes", "suffix", "told",
    )  # fmt: skip

    def __init__(self, engine: Engine) -> None:
        self.prefix, self.suffix = engine.append_prefix, engine.append_suffix
        self.is_open = False
        """Each frame goes to the model at once."""
        self._shut = False
        self.recent = KeptAudio(PREROLL_FRAMES)
        """Base64 of what the model does not have, or may not have understood; the newest last."""
        self._unsent = 0
        """How many of them, the newest, were not sent to any session."""
        self.told = 0
        """How many of them, the oldest, a session that is to hear the rest was told of otherwise."""
        self.connected = False
        """There is a media stream."""
        self.last_media: str | bytes = ""
        """The last `media` message of the stream that is there."""
        self.sent_bytes = 0
        """Of the caller's audio, to the session that has the call."""

    def frame(self, text: str) -> str | None:
        """Twilio's `media` as the model's message; '' while it is kept or dropped; None: it is no caller
        audio."""
        payload = twilio.media_payload(text)
        if payload is None:
            return None
        self.last_media = text
        if self.is_open:
            # Twilio's usual frame: counting what its text stands for takes longer than all the rest.
            whole = len(payload) == FRAME_CHARACTERS and payload.endswith("==")
            self.sent_bytes += pcmu.FRAME_BYTES if whole else pcmu.payload_bytes(payload)
            self.recent.append(payload.encode())
            return self.prefix + payload + self.suffix
        if not self._shut:
            self.recent.append(payload.encode())
            self._unsent += 1
        return ""

    def open(self) -> list[str]:
        """Caller and model are both there: what was kept, to be sent now; from now on each frame goes at
        once."""
        if self.is_open:
            return []
        self.is_open = True
        kept = self.first(len(self.recent))
        self.sent_bytes = sum(map(pcmu.payload_bytes, kept))
        self._unsent = 0
        if self.recent.limit == PREROLL_FRAMES:
            self.recent.limit = RECENT_FRAMES
        return [self.prefix + payload + self.suffix for payload in kept[self.told :]]

    def lost(self) -> None:
        """The session that heard the caller is gone: all is kept for the next one."""
        self.is_open = False
        self.recent.limit = UTTERANCE_FRAMES

    def shut(self) -> None:
        """Nothing is sent any more."""
        self.is_open, self._shut = False, True
        self.recent.clear()

    def new_stream(self) -> None:
        """A media stream, whose clock begins at 0."""
        self.last_media = ""
        self.connected = True

    # What the model has understood

    def speech_began(self, audio_ms: int, *, understood_before: bool) -> None:
        """What is said from now on is kept until it is understood. `understood_before`: nothing is left of
        what was said before `audio_ms`."""
        if self.is_open and understood_before:
            self.told = 0
            self.recent.drop(self.frames_until(audio_ms - BEFORE_SPEECH_MS))
        self.recent.limit = UTTERANCE_FRAMES

    def understood(self, audio_ms: int) -> None:
        """The model has put into words all that the caller said up to there."""
        if self.is_open:
            self.told = 0
            self.recent.drop(self.frames_until(audio_ms))
            self.recent.limit = RECENT_FRAMES

    def frames_until(self, audio_ms: int) -> int:
        """How many of the kept frames lie before that position in the audio sent on this session."""
        since = max(0, self.sent_ms - audio_ms) // pcmu.FRAME_MS
        return max(0, len(self.recent) - self._unsent - since)

    def first(self, frames: int) -> list[str]:
        """The oldest of what is kept."""
        return [payload.decode() for payload in self.recent.frames()[:frames]]

    def loud(self, frames: int) -> bool:
        """Somebody seems to have spoken in the last so many frames. Decodes them: not for every day."""
        newest = self.recent.frames()[-frames:] if frames else []
        return sum(pcmu.is_loud(payload) for payload in newest) * pcmu.FRAME_MS >= LOUD_MS

    @property
    def sent_ms(self) -> int:
        """The model's clock: caller audio sent on its session."""
        return self.sent_bytes // pcmu.BYTES_PER_MS

    @property
    def stream_ms(self) -> int:
        """Twilio's clock: where the caller's audio stands. Read from the last frame only when it is asked
        for."""
        last = self.last_media
        return twilio.media_timestamp_ms(last if isinstance(last, str) else last.decode()) or 0


LOUD_MS = 100
"""Of loud frames, for speech."""
