"""How long a caller heard nothing while the agent was due to be heard: from a recording alone. Pure.

The agent is due from the answer of the call, and from the end of each utterance of the caller, until its own
answer has ended: the last sound of it before the caller speaks again, or before the call ends. When no sound
comes at all, it is due until then. An answer much shorter than it should be was cut off: then it is due until
the caller speaks again. While the caller speaks nobody is due.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Sequence
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

FRAME_MS = 20
AUDIBLE = 250
"""Of 32,768, the mean of a frame's samples, as the simulated phones' ears have it: about -42 dB."""
UTTERANCE_PAUSE_MS = 700
"""A shorter silence of the caller is a pause within an utterance."""
SHORTEST_MS = 60
"""A shorter sound is none: what a jitter buffer lets through of a cut word."""
CUT_SHARE = 0.8
"""An answer of which less was heard was cut off."""

Flags = NDArray[np.bool_]
Span = tuple[int, int]
"""Milliseconds from the answer of the call: beginning and end."""


class Silence(Struct, frozen=True):
    began_ms: int
    ended_ms: int
    kind: Literal["answer", "speech"]
    """Before the agent's first sound after the caller's utterance, or after it."""
    utterance: int
    """Which of the caller's it follows, from 1; 0: the answer of the call."""
    finished: bool = False
    """The answer had been heard to its end before: nobody was due until something happened."""

    @property
    def ms(self) -> int:
        return self.ended_ms - self.began_ms


class Usual(Struct, frozen=True):
    """The same script's silences when nothing is wrong, the longest of each kind."""

    answer_ms: int
    speech_ms: int

    def gap_ms(self, silence: Silence) -> int:
        """What of it is owed to a fault."""
        return max(0, silence.ms - (self.answer_ms if silence.kind == "answer" else self.speech_ms))


def tracks(wav: bytes) -> tuple[Flags, Flags]:
    """In which frames the caller, and the agent, can be heard: left and right of a stereo recording."""
    with wave.open(io.BytesIO(wav)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2)
        frame = file.getframerate() * FRAME_MS // 1000
    whole = samples[: len(samples) // frame * frame].astype(np.int32)
    loudness = np.abs(whole).reshape(-1, frame, 2).mean(axis=1)
    return loudness[:, 0] > AUDIBLE, loudness[:, 1] > AUDIBLE


def spans(flags: Flags, *, pause_ms: int, shortest_ms: int = 0) -> list[Span]:
    """Where it is audible; silences shorter than `pause_ms` belong to it."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    found: list[Span] = []
    for start, end in edges.reshape(-1, 2).tolist():
        began, ended = start * FRAME_MS, end * FRAME_MS
        if found and began - found[-1][1] < pause_ms:
            found[-1] = (found[-1][0], ended)
        else:
            found.append((began, ended))
    return [span for span in found if span[1] - span[0] >= shortest_ms]


def silences(caller: Flags, agent: Flags, *, answers_ms: Sequence[int] = ()) -> list[Silence]:
    """Every silence while the agent was due. `answers_ms`: how long its answers should be heard, by utterance
    from 0 (the greeting); those beyond are not judged."""
    utterances = spans(caller, pause_ms=UTTERANCE_PAUSE_MS, shortest_ms=SHORTEST_MS)
    sounds = spans(agent, pause_ms=0, shortest_ms=SHORTEST_MS)
    end_ms = len(agent) * FRAME_MS
    starts = [0, *(ended for _, ended in utterances)]
    limits = [*(began for began, _ in utterances), end_ms]
    found: list[Silence] = []
    for number, (start_ms, limit_ms) in enumerate(zip(starts, limits, strict=True)):
        heard = [(max(a, start_ms), min(b, limit_ms)) for a, b in sounds if a < limit_ms and b > start_ms]
        due_ms = answers_ms[number] if number < len(answers_ms) else 0
        cut = sum(b - a for a, b in heard) < CUT_SHARE * due_ms
        found += _between(heard, start_ms, limit_ms, number, due_ms, to_the_end=cut or not heard)
    return found


def _between(
    heard: Sequence[Span], start_ms: int, limit_ms: int, number: int, due_ms: int, *, to_the_end: bool
) -> list[Silence]:
    found: list[Silence] = []
    at_ms, heard_ms = start_ms, 0
    for index, (began, ended) in enumerate(heard):
        if began > at_ms:
            finished = bool(index) and due_ms > 0 and heard_ms >= CUT_SHARE * due_ms
            found.append(Silence(at_ms, began, "speech" if index else "answer", number, finished))
        at_ms = ended
        heard_ms += ended - began
    if to_the_end and limit_ms > at_ms:
        found.append(Silence(at_ms, limit_ms, "speech" if heard else "answer", number))
    return found


def usual(found: Sequence[Silence]) -> Usual:
    """From calls during which nothing was wrong."""
    longest = {"answer": 0, "speech": 0}
    for silence in found:
        longest[silence.kind] = max(longest[silence.kind], silence.ms)
    return Usual(longest["answer"], longest["speech"])
