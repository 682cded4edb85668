"""What callers hear when the voice model cannot speak: telephone sound that does not click."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bridge.call.lines import Lines
from lines.__main__ import make
from lines.built_in import NAMES, built_in, english, missing
from simulator.audio import mulaw

FRAME = 160


def samples_of(lines: Lines, name: str) -> NDArray[np.float64]:
    """Of full scale 1, decoded by the simulator's own arithmetic."""
    return mulaw.decode(base64.b64decode(getattr(lines, name).payload)) / 32_768


def active_frames(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    frames = samples.reshape(-1, FRAME)
    loudness = np.sqrt((frames**2).mean(axis=1))
    return frames[loudness > 0.05 * loudness.max()]


def decibels(samples: NDArray[np.float64]) -> float:
    return float(20 * np.log10(np.sqrt((samples**2).mean())))


@pytest.fixture(scope="session")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spoken")
    assert make(folder) == len(NAMES)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_a_spoken_line_is_telephone_speech(spoken: Path, name: str) -> None:
    samples = samples_of(built_in(spoken), name)
    assert samples.size % FRAME == 0
    assert 1 < samples.size / 8_000 < 4
    assert decibels(active_frames(samples)) == pytest.approx(-20, abs=1)
    assert np.abs(samples).max() < 0.95, "nothing is cut off"
    power = np.abs(np.fft.rfft(samples)) ** 2
    hertz = np.fft.rfftfreq(samples.size, 1 / 8_000)
    assert power[(hertz > 280) & (hertz < 3_420)].sum() / power.sum() > 0.95


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["spoken", "tones"])
def test_a_line_begins_and_ends_in_silence(spoken: Path, tmp_path: Path, kind: str, name: str) -> None:
    """A jump from nothing to sound is heard as a click."""
    samples = samples_of(built_in(spoken if kind == "spoken" else tmp_path), name)
    assert np.abs(samples[[0, -1]]).max() < 0.002
    assert np.abs(samples[:20]).max() < 0.05


def test_lines_are_made_once(spoken: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in spoken.iterdir()}
    assert make(spoken) == 0
    assert {path: path.stat().st_mtime_ns for path in spoken.iterdir()} == before


def test_a_file_of_former_words_is_not_used_and_goes(spoken: Path, tmp_path: Path) -> None:
    former = tmp_path / "filler-0123456789ab.ulaw"
    former.write_bytes(b"\xff" * FRAME)
    assert missing(tmp_path) == list(NAMES)
    make(tmp_path)
    assert not former.exists()
    assert missing(tmp_path) == []
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in spoken.iterdir()
    }, "the same bytes each time"


def test_words_are_in_the_line_and_a_tone_claims_none(spoken: Path, tmp_path: Path) -> None:
    assert built_in(spoken).apology.text == english("apology")
    assert built_in(tmp_path / "empty").apology.text == "[tone]"


def test_tones_are_soft_and_differ(tmp_path: Path) -> None:
    """Who waits and who is about to be disconnected must not hear the same."""
    lines = built_in(tmp_path / "nothing")
    for name in NAMES:
        assert -30 < decibels(active_frames(samples_of(lines, name))) < -20
    assert len({getattr(lines, name).payload for name in NAMES}) == len(NAMES)


def test_calls_share_one_copy(spoken: Path) -> None:
    assert built_in(spoken) is built_in(spoken)
