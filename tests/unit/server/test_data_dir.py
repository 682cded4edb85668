from __future__ import annotations

from pathlib import Path

import pytest

from server.data_dir import AlreadyRunning, DataDir, RunningServer, read_running

SERVER = RunningServer(
    mode="dev",
    pid=1,
    url="http://127.0.0.1:8000",
    workers=["http://127.0.0.1:8000"],
    public_url="http://127.0.0.1:8000",
    api_key="cb_made_up",
)


def test_what_holds_a_key_is_readable_by_nobody_else(tmp_path: Path) -> None:
    data = DataDir(tmp_path / "data")
    data.claim()
    data.practice_keys()
    data.write_running(SERVER)
    assert data.path.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in data.path.iterdir()} == {
        "lock": 0o600,
        "keys.json": 0o600,
        "server.json": 0o600,
    }


def test_a_second_server_is_told_where_the_first_one_runs(tmp_path: Path) -> None:
    first, second = DataDir(tmp_path), DataDir(tmp_path)
    first.claim()
    first.write_running(SERVER)
    with pytest.raises(AlreadyRunning) as refused:
        second.claim()
    assert refused.value.server == SERVER


def test_generated_keys_outlive_a_restart(tmp_path: Path) -> None:
    """A new SECRET_KEY would make every stored secret unreadable."""
    assert DataDir(tmp_path).practice_keys() == DataDir(tmp_path).practice_keys()


@pytest.mark.parametrize("content", [b"", b"{", b'{"mode": 1}'])
def test_a_broken_file_is_no_server(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "server.json").write_bytes(content)
    assert read_running(tmp_path) is None
