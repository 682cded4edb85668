"""`callbridge dev` as a newcomer starts it: real processes, nothing configured."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from server.data_dir import RunningServer, read_running
from server.settings import VARIABLES

ROOT = Path(__file__).parents[2]


def callbridge(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "cli.main", *arguments]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if name.removesuffix("_FILE") not in VARIABLES}
    return kept | {"DATA_DIR": str(tmp_path / "data"), "PORT": str(port), "PYTHONPATH": str(ROOT)}


@pytest.fixture
def dev(tmp_path: Path, environment: dict[str, str]) -> Generator[subprocess.Popen[str]]:
    """Running, its first screen in `tmp_path/screen`."""
    with (tmp_path / "screen").open("w") as screen:
        process = subprocess.Popen(
            callbridge("dev"), cwd=tmp_path, env=environment, stdout=screen, stderr=screen, text=True
        )
    while read_running(tmp_path / "data") is None:
        assert process.poll() is None, (tmp_path / "screen").read_text()
    yield process
    process.kill()
    process.wait()


def running(tmp_path: Path) -> RunningServer:
    server = read_running(tmp_path / "data")
    assert server is not None
    return server


def children(pid: int) -> dict[str, int]:
    """By the word that tells them apart."""
    found: dict[str, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            command = (folder / "cmdline").read_text().replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            continue
        match = re.search(r"server\.worker|-m simulator|bin/postgres", command)
        if parent == pid and match:
            found[match[0]] = int(folder.name)
    return found


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_newcomer_sees_where_and_what_and_nothing_is_left_behind(
    dev: subprocess.Popen[str], tmp_path: Path, environment: dict[str, str]
) -> None:
    server = running(tmp_path)
    assert httpx.get(f"{server.url}/readyz").json()["status"] == "ready"
    agents = httpx.get(f"{server.url}/v1/agents", headers={"Authorization": f"Bearer {server.api_key}"})
    assert agents.status_code == 200

    second = subprocess.run(
        callbridge("dev"), cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert second.returncode == 1
    assert server.url in second.stderr

    before = children(dev.pid)
    assert set(before) == {"server.worker", "-m simulator", "bin/postgres"}
    os.kill(before["server.worker"], signal.SIGKILL)
    while children(dev.pid).get("server.worker") in {None, before["server.worker"]}:
        assert dev.poll() is None

    after = children(dev.pid)
    dev.send_signal(signal.SIGTERM)
    assert dev.wait(30) == 0
    assert all(gone(pid) for pid in after.values())
    assert read_running(tmp_path / "data") is None
    screen = (tmp_path / "screen").read_text()
    assert server.url in screen
    assert server.api_key in screen
    assert screen.count("practice   ") == 3


@pytest.mark.skipif(sys.platform != "linux", reason="bound by PR_SET_PDEATHSIG")
def test_nothing_outlives_a_killed_supervisor(dev: subprocess.Popen[str]) -> None:
    """A database left running would hold the data directory against the next start."""
    left = children(dev.pid)
    assert len(left) == 3
    dev.kill()
    dev.wait()
    while not all(gone(pid) for pid in left.values()):
        pass


def test_serve_names_everything_that_is_missing(tmp_path: Path, environment: dict[str, str]) -> None:
    refused = subprocess.run(
        callbridge("serve"), cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    for name in ("DATABASE_URL", "PUBLIC_URL", "SECRET_KEY", "OPENAI_API_KEY", "TWILIO_ACCOUNT_SID"):
        assert f"{name} is missing" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    "command", ["", "dev", "serve", "migrate", "keys", "agents", "numbers", "call", "doctor", "simulate"]
)
def test_every_command_explains_itself(command: str, tmp_path: Path, environment: dict[str, str]) -> None:
    arguments = [command, "--help"] if command else ["--help"]
    shown = subprocess.run(
        callbridge(*arguments), cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert "Usage: " in shown.stdout


def test_commands_say_so_when_no_server_runs(tmp_path: Path, environment: dict[str, str]) -> None:
    asked = subprocess.run(
        callbridge("agents", "list"),
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 1
    assert "callbridge dev" in asked.stderr
