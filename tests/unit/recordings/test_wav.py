"""One WAV out of parts, read in any range."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recordings.files import RecordingFiles
from recordings.wav import HEADER_BYTES, Part, Wav


def wav_of(folder: Path, *parts: tuple[float, bytes]) -> Wav:
    """Parts by when they begin, in seconds, and their sound."""
    files = RecordingFiles(folder)
    for number, (_, sound) in enumerate(parts, 1):
        files.path("call_1", number).unlink(missing_ok=True)
        with contextlib.closing(files.open("call_1", number)) as file:
            file.append(sound)
    shown = [Part("call_1", number, at, len(sound)) for number, (at, sound) in enumerate(parts, 1)]
    return Wav(files, shown)


def test_parts_stand_at_their_times_with_silence_between_them(tmp_path: Path):
    wav = wav_of(tmp_path, (0, b"\x01" * 1600), (0.5, b"\x02" * 1600))
    sound = b"".join(wav.read(HEADER_BYTES, wav.size))
    assert sound == b"\x01" * 1600 + b"\xff" * 6400 + b"\x02" * 1600
    assert wav.duration_ms == 600


def test_parts_that_overlap_follow_each_other(tmp_path: Path):
    """Clocks of two machines differ; nothing of what was said is lost."""
    wav = wav_of(tmp_path, (0, b"\x01" * 16_000), (0.2, b"\x02" * 1600))
    assert b"".join(wav.read(HEADER_BYTES, wav.size)) == b"\x01" * 16_000 + b"\x02" * 1600


def test_a_part_that_shrinks_while_it_is_read_leaves_silence(tmp_path: Path):
    """The length was promised: a call that is erased meanwhile must not break the answer's framing."""
    wav = wav_of(tmp_path, (0, b"\x01" * 1600))
    RecordingFiles(tmp_path).erase("call_1")
    assert len(b"".join(wav.read(0, wav.size))) == wav.size


@settings(max_examples=50)
@given(first=st.integers(0, 9000), length=st.integers(0, 9000))
def test_every_range_is_a_stretch_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory, first: int, length: int
):
    wav = wav_of(tmp_path_factory.mktemp("wav"), (0, bytes(range(250)) * 8), (0.3, b"\x02" * 1600))
    whole = b"".join(wav.read(0, wav.size))
    assert len(whole) == wav.size
    last = min(first + length, wav.size)
    assert b"".join(wav.read(first, last)) == whole[first:last]
