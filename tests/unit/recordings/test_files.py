"""Recorded audio is nobody else's, and goes when it is told to."""

from __future__ import annotations

import contextlib
import stat
from pathlib import Path

from recordings.files import RecordingFiles


def test_only_the_server_may_read_a_recording(tmp_path: Path):
    files = RecordingFiles(tmp_path / "recordings")
    with contextlib.closing(files.open("call_1", 1)) as file:
        file.append(b"\x01\x02")
    path = files.path("call_1", 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (path.parent, path.parent.parent)} == {0o700}


def test_half_a_sample_that_a_crash_left_is_not_counted(tmp_path: Path):
    files = RecordingFiles(tmp_path)
    with contextlib.closing(files.open("call_1", 1)) as file:
        file.append(b"\x01\x02\x03")
    assert files.size("call_1", 1) == 2


def test_erasing_leaves_nothing_and_says_whether_there_was_something(tmp_path: Path):
    files = RecordingFiles(tmp_path)
    with contextlib.closing(files.open("call_1", 1)) as file:
        file.append(b"\x01\x02")
    with contextlib.closing(files.open("call_1", 2)) as file:
        file.append(b"\x01\x02")
    assert files.erase("call_1")
    assert not files.erase("call_1")
    assert list(tmp_path.iterdir()) == []
    assert files.size("call_1", 1) is None
