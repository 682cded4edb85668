"""Where an utterance pauses, and which words lie between: who pauses makes two turns of one utterance."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from simulator.audio.mulaw import BYTES_PER_MS, LINEAR

_FRAME_BYTES = 10 * BYTES_PER_MS
_PAUSE_FRAMES = 18
"""180 ms: shorter than what voice activity detection usually waits for."""
_LOUD = 200.0
_PUNCTUATION_WORTH = 12
"""Characters by which the end of a sentence may be away from where the sound says that it is."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """A stretch of sound between two pauses, and its words."""

    start: int
    end: int
    text: str


def phrases(speech: bytes, text: str) -> list[Phrase]:
    """At least one; all words, in order. Sound that never pauses, or a single word, is one phrase."""
    stretches = _stretches(speech)
    words: list[str] = re.findall(r"\S+", text)
    if len(stretches) < 2 or len(words) < len(stretches):
        return [Phrase(0, len(speech), text)]
    lengths = [end - start for start, end in stretches]
    texts = _distributed(words, lengths)
    return [Phrase(start, end, part) for (start, end), part in zip(stretches, texts, strict=True)]


def _stretches(speech: bytes) -> list[tuple[int, int]]:
    """The loud parts, as byte positions."""
    whole = len(speech) // _FRAME_BYTES * _FRAME_BYTES
    samples = LINEAR[np.frombuffer(speech[:whole], dtype=np.uint8)].astype(np.float64)
    loudness = np.sqrt((samples.reshape(-1, _FRAME_BYTES) ** 2).mean(axis=1))
    loud: list[int] = np.flatnonzero(loudness > _LOUD).tolist()
    stretches: list[tuple[int, int]] = []
    for frame in loud:
        start, end = frame * _FRAME_BYTES, (frame + 1) * _FRAME_BYTES
        if stretches and start - stretches[-1][1] < _PAUSE_FRAMES * _FRAME_BYTES:
            stretches[-1] = (stretches[-1][0], end)
        else:
            stretches.append((start, end))
    return stretches


def _distributed(words: list[str], lengths: list[int]) -> list[str]:
    """As many texts as lengths, by the time that they take to say, preferring to break after a sentence."""
    ends = np.cumsum([len(word) + 1 for word in words])
    times = np.cumsum(lengths) / sum(lengths) * ends[-1]
    texts: list[str] = []
    first = 0
    for place, time in enumerate(times[:-1]):
        # Every later stretch must keep a word.
        candidates = range(first + 1, len(words) - (len(lengths) - 2 - place))
        last = min(candidates, key=lambda n: abs(ends[n - 1] - time) - _worth(words[n - 1]))
        texts.append(" ".join(words[first:last]))
        first = last
    return [*texts, " ".join(words[first:])]


def _worth(word: str) -> int:
    return _PUNCTUATION_WORTH if word[-1] in ".!?;:," else 0
