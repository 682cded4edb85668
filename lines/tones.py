"""What is heard where no words can be: soft sounds that tell waiting from trouble. Better than silence."""

from __future__ import annotations

import math
from collections.abc import Callable

from bridge.wire.pcmu import encode

RATE = 8_000
_LEVEL = 0.1
"""Of full scale, the sine's peak: -23 dBFS."""
_EDGE_S = 0.03
"""Of rising and of falling, so that nothing clicks."""


def _tune(*notes: tuple[float, float]) -> bytes:
    """Frequencies in Hz, 0 for a rest, each with its seconds."""
    samples: list[int] = []
    for hertz, seconds in notes:
        count = round(seconds * RATE)
        for n in range(count):
            edge = min(1.0, n / (_EDGE_S * RATE), (count - 1 - n) / (_EDGE_S * RATE))
            samples.append(round(32_767 * _LEVEL * edge * math.sin(2 * math.pi * hertz * n / RATE)))
    return encode(samples)


TONES: dict[str, Callable[[], bytes]] = {
    "filler": lambda: _tune((440, 0.2), (554, 0.3), (0, 0.1)),
    "hold": lambda: _tune((440, 0.2), (554, 0.3), (0, 0.6), (440, 0.2), (554, 0.3), (0, 0.4)),
    "apology": lambda: _tune((523, 0.25), (440, 0.25), (349, 0.5), (0, 0.1)),
    "closing": lambda: _tune((554, 0.25), (440, 0.4), (0, 0.1)),
}
"""By the line that each stands for; computed when it is needed, some hundredths of a second each."""
