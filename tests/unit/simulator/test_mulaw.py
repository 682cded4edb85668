from __future__ import annotations

import numpy as np

from simulator.audio import mulaw


def test_every_code_survives_decoding_and_encoding() -> None:
    """All but negative zero, which has the same sound as zero."""
    codes = bytes(range(256))
    again = mulaw.encode(mulaw.decode(codes))
    assert [code for code in codes if again[code] != code] == [0x7F]


def test_the_table_is_the_telephone_networks() -> None:
    """Values of G.711's own table, so that real phones' sound is read rightly."""
    assert [int(mulaw.LINEAR[code]) for code in (0xFF, 0x7F, 0x00, 0x80, 0xFE, 0xEF, 0x8F)] == [
        0, 0, -32124, 32124, 8, 132, 16764,
    ]  # fmt: skip


def test_silence_is_8_bytes_a_millisecond_and_silent() -> None:
    assert len(mulaw.silence(20)) == 160
    assert not np.any(mulaw.decode(mulaw.silence(20)))


def test_loud_sound_is_clipped_not_wrapped() -> None:
    loud = mulaw.decode(mulaw.encode(np.array([32767, -32768], dtype=np.int16)))
    assert loud.tolist() == [32124, -32124]
