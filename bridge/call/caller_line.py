"""The caller's audio on its way to the model: the same base64 text, spliced into another message."""

from __future__ import annotations

from collections import deque

from bridge.call.engine import Engine
from bridge.wire import pcmu, twilio

PREROLL_FRAMES = 500
"""Ten seconds are kept while the model is being reached; then the oldest goes."""


class CallerLine:
    def __init__(self, engine: Engine) -> None:
        self._prefix, self._suffix = engine.append_prefix, engine.append_suffix
        self._open = False
        self._shut = False
        self._kept: deque[str] = deque(maxlen=PREROLL_FRAMES)
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
            self._sent_bytes += pcmu.payload_bytes(payload)
            return self._prefix + payload + self._suffix
        if not self._shut:
            self._kept.append(payload)
        return ""

    def open(self) -> list[str]:
        """Caller and model are both there: what was kept, to be sent now; from now on each frame goes at
        once."""
        if self._open:
            return []
        self._open = True
        kept = list(self._kept)
        self._kept.clear()
        self._sent_bytes += sum(pcmu.payload_bytes(payload) for payload in kept)
        return [self._prefix + payload + self._suffix for payload in kept]

    def shut(self) -> None:
        """Nothing is sent any more."""
        self._open, self._shut = False, True
        self._kept.clear()

    @property
    def sent_ms(self) -> int:
        """The model's clock: caller audio sent on its session."""
        return self._sent_bytes // pcmu.BYTES_PER_MS

    @property
    def stream_ms(self) -> int:
        """Twilio's clock: where the caller's audio stands. Read from the last frame only when it is asked
        for."""
        return twilio.media_timestamp_ms(self._last_media) or 0
