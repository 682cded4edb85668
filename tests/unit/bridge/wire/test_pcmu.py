"""The bytes that are played are the bytes that were received."""

from __future__ import annotations

import base64

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bridge.wire.pcmu import FRAME_BYTES, Framing, encode, payload_bytes
from simulator.audio import mulaw


@given(st.binary(max_size=700))
def test_the_length_of_a_payload_is_known_without_decoding_it(audio: bytes):
    assert payload_bytes(base64.b64encode(audio).decode()) == len(audio)


@given(st.lists(st.binary(max_size=900), max_size=20))
def test_ragged_deltas_become_whole_frames_and_not_a_byte_changes(deltas: list[bytes]):
    framing = Framing()
    pieces = [framing.cut(base64.b64encode(delta).decode()) for delta in deltas]
    for text, size in pieces:
        assert size % FRAME_BYTES == 0
        assert payload_bytes(text) == size
    rest, size = framing.rest()
    assert size == payload_bytes(rest) < FRAME_BYTES
    played = b"".join(base64.b64decode(text) for text, _ in [*pieces, (rest, size)])
    assert played == b"".join(deltas)


def test_whole_frames_pass_as_the_very_same_text():
    payload = base64.b64encode(bytes(range(160)) * 2).decode()
    assert Framing().cut(payload)[0] is payload


def test_broken_base64_is_no_audio():
    framing = Framing()
    assert framing.cut("!!!!a") == ("", 0)


def test_every_sample_is_encoded_as_the_simulator_encodes_it():
    """Two tables made in two ways."""
    samples = np.arange(-32_768, 32_768)
    assert encode(samples.tolist()) == mulaw.encode(samples.astype(np.int16))
