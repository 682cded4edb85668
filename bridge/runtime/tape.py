"""What passes a media socket, kept until the recorder takes it: per message an append, nothing else."""

from __future__ import annotations

import datetime as dt
from collections import deque

from bridge.recording.passed import Passed
from bridge.runtime.legs import Leg, Lines, OnTexts, Overhearing, StreamLeg


class Tape:
    """Of one media stream: `part` is its attach number."""

    def __init__(self, call_id: str, part: int, started_at: dt.datetime) -> None:
        self.call_id = call_id
        self.part = part
        self.started_at = started_at
        self.over = False
        """The stream has ended."""
        self._texts: list[bytes] | deque[bytes] = []
        self._payloads: list[bytes] | deque[bytes] = []
        self._others: list[tuple[int, bool]] | deque[tuple[int, bool]] = []

    def take(self) -> Passed:
        passed = Passed(list(self._texts), list(self._payloads), list(self._others))
        self._texts.clear()
        self._payloads.clear()
        self._others.clear()
        return passed

    def stop(self) -> None:
        """From now on nothing is kept."""
        self._texts, self._payloads, self._others = deque(maxlen=0), deque(maxlen=0), deque(maxlen=0)

    def heard(self, text: bytes, payload: bytes) -> None:
        """One of the caller's usual frames, and the base64 in it."""
        self._texts.append(text)
        self._payloads.append(payload)

    def sent(self, text: bytes) -> None:
        self._other(text, sent=True)

    def _other(self, text: bytes, *, sent: bool) -> None:
        self._others.append((len(self._texts), sent))
        self._texts.append(text)
        self._payloads.append(b"")

    def listening(self, on_texts: OnTexts) -> OnTexts:
        """The same callback, overheard."""

        def overheard(texts: list[str]) -> None:
            for text in texts:
                self._other(text.encode(), sent=False)
            on_texts(texts)

        return overheard


class TapedLeg:
    """The phone's leg, overheard."""

    def __init__(self, leg: StreamLeg, tape: Tape) -> None:
        self._leg = leg
        self._tape = tape
        self.flush = leg.flush
        self.close = leg.close

    @property
    def dropped(self) -> int:
        return self._leg.dropped

    @property
    def malformed(self) -> int:
        return self._leg.malformed

    @property
    def silent(self) -> bool:
        return self._leg.silent

    def join(self, lines: Lines, model: Leg | None, *, overhears: Overhearing | None = None) -> None:
        """It is the tape that overhears."""
        self._leg.join(lines, model, overhears=self._tape)

    def send(self, text: str) -> None:
        self._tape.sent(text.encode())
        self._leg.send(text)
