from __future__ import annotations

from pathlib import Path

import pytest

from server.env_file import EnvFileError, read_env_file, with_env_file


def read(tmp_path: Path, text: str) -> dict[str, str]:
    path = tmp_path / ".env"
    path.write_text(text)
    return read_env_file(path)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("NAME=plain", "plain"),
        ("export NAME = spaced ", "spaced"),
        ("NAME=value # a comment", "value"),
        ("NAME=with#hash", "with#hash"),
        ("NAME='single $quoted #text'", "single $quoted #text"),
        (r'NAME="two\nlines and \"quotes\"" # why', 'two\nlines and "quotes"'),
        ("NAME=", ""),
    ],
)
def test_values_read_as_shells_and_compose_read_them(tmp_path: Path, line: str, value: str) -> None:
    assert read(tmp_path, f"# heading\n\n{line}\n") == {"NAME": value}


@pytest.mark.parametrize("line", ["no equals sign", "1NAME=x", "NAME='open", 'NAME="closed" rest'])
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(EnvFileError, match="line 2"):
        read(tmp_path, f"GOOD=1\n{line}\n")


def test_no_file_is_no_settings(tmp_path: Path) -> None:
    assert read_env_file(tmp_path / ".env") == {}


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=1\nHOST=a\nWORKERS=2\n")
    merged = with_env_file({"PORT": "9", "WORKERS": ""}, tmp_path / ".env")
    assert merged == {"PORT": "9", "HOST": "a", "WORKERS": "2"}
