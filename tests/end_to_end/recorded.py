"""A recording beside what the phone really said and heard."""

from __future__ import annotations

import struct

from tests.end_to_end.harness import Harness

FRAME = 160
SILENCE = b"\xff"


async def download(callbridge: Harness, call_id: str) -> tuple[bytes, bytes]:
    """Caller and agent as mu-law, after a look at the WAV around them."""
    answer = await callbridge.api.get(f"/v1/calls/{call_id}/recording")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "audio/wav"
    return sides(answer.content)


def sides(wav: bytes) -> tuple[bytes, bytes]:
    riff, size, wave, fmt, _, tag, channels, rate, _, _, bits = struct.unpack_from("<4sI4s4sIHHIIHH", wav)
    assert (riff, wave, fmt, size) == (b"RIFF", b"WAVE", b"fmt ", len(wav) - 8)
    assert (tag, channels, rate, bits) == (7, 2, 8000, 8), "mu-law, stereo"
    both = wav[58:]
    assert len(both) == struct.unpack_from("<I", wav, 54)[0]
    return both[::2], both[1::2]


def speeches(track: bytes) -> list[tuple[int, bytes]]:
    """What was said, where it begins: stretches between silences of 100 ms and more."""
    found: list[tuple[int, bytes]] = []
    at = 0
    for stretch in track.split(SILENCE * 5 * FRAME):
        sound = stretch.strip(SILENCE)
        if sound:
            found.append((at + stretch.index(sound), sound))
        at += len(stretch) + 5 * FRAME
    return found
