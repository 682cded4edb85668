"""A server without a voice for its lines says so; where a voice is installed, it makes them."""

from __future__ import annotations

from pathlib import Path

from structlog.testing import capture_logs

from lines.built_in import NAMES, missing
from server.spoken_lines import make_missing, tell_missing, what_is_there


def test_what_is_missing_is_made_without_a_word(tmp_path: Path) -> None:
    with capture_logs() as logs:
        make_missing(tmp_path)
    assert (missing(tmp_path), logs) == ([], [])
    assert what_is_there(tmp_path) == (True, "4 are spoken, in English")


def test_what_cannot_be_made_is_an_error_with_its_mend(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with capture_logs() as logs:
        make_missing(tmp_path / "file" / "lines")
    [told] = logs
    assert (told["log_level"], told["lines"]) == ("error", list(NAMES))
    assert "make lines" in told["mend"]


def test_a_production_server_makes_nothing_and_says_so(tmp_path: Path) -> None:
    with capture_logs() as logs:
        tell_missing(tmp_path)
    assert len(logs) == 1
    assert missing(tmp_path) == list(NAMES)
    assert not what_is_there(tmp_path)[0]
