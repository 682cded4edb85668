"""Keys as tones in the agent's own audio: ITU-T Q.23 and Q.24, sent as most telephones send them."""

from __future__ import annotations

import math
import re

from bridge.wire.pcmu import SILENCE, encode

RATE = 8_000
TONE_MS = 100
GAP_MS = 80
"""Q.24 lets a receiver want 40 ms of each, with some margin for networks."""
WAIT_MS = 500
"""A `w` among the keys."""
MAX_KEYS = 40
_LOW_HZ = (697, 770, 852, 941)
_HIGH_HZ = (1209, 1336, 1477, 1633)
_KEYS = ("123A", "456B", "789C", "*0#D")
_LOW_PEAK, _HIGH_PEAK = 0.246, 0.310
"""Of full scale, which is +3.17 dBm0: -9 and -7 dBm0. Lines lose more of the high tone, so it is louder."""
_EDGE_MS = 4
_ENTRY = re.compile(rf"[0-9A-Dw*#]{{1,{MAX_KEYS}}}")

FREQUENCIES = {
    key: (low, high)
    for low, keys in zip(_LOW_HZ, _KEYS, strict=True)
    for high, key in zip(_HIGH_HZ, keys, strict=True)
}


def is_entry(keys: str) -> bool:
    """`0-9 * # A-D`, and `w` for a wait; at least one key."""
    return _ENTRY.fullmatch(keys) is not None and keys.strip("w") != ""


def tones(keys: str) -> bytes:
    """Mu-law in whole frames of 20 ms. `keys`: an entry."""
    return b"".join(
        _wait(WAIT_MS) if key == "w" else _tone(*FREQUENCIES[key]) + _wait(GAP_MS) for key in keys
    )


def _wait(ms: int) -> bytes:
    return SILENCE * (ms * RATE // 1000)


def _tone(low_hz: int, high_hz: int) -> bytes:
    count, edge = TONE_MS * RATE // 1000, _EDGE_MS * RATE // 1000
    samples: list[int] = []
    for n in range(count):
        loudness = min(1.0, n / edge, (count - 1 - n) / edge)
        low = _LOW_PEAK * math.sin(2 * math.pi * low_hz * n / RATE)
        high = _HIGH_PEAK * math.sin(2 * math.pi * high_hz * n / RATE)
        samples.append(round(32_767 * loudness * (low + high)))
    return encode(samples)
