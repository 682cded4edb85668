"""The README's first screen, typed as it stands there against a fresh `callbridge dev`."""

from __future__ import annotations

import array
import os
import re
import subprocess
import sys
import time
import wave
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.data_dir import RunningServer, read_running
from server.settings import VARIABLES
from tests.architecture.documents import ROOT, blocks

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux is supported")

FIRST_START_S = 60.0


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder in which `.venv/bin/callbridge` is this checkout."""
    command = tmp_path / ".venv/bin/callbridge"
    command.parent.mkdir(parents=True)
    command.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m cli.main "$@"\n')
    command.chmod(0o755)
    return tmp_path


@pytest.fixture
def environment(unused_tcp_port_factory: Any) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name.removesuffix("_FILE") not in VARIABLES}
    return kept | {"PORT": str(unused_tcp_port_factory())}


@pytest.fixture
def server(clone: Path, environment: dict[str, str]) -> Generator[RunningServer]:
    with (clone / "screen").open("w") as screen:
        process = subprocess.Popen(
            [".venv/bin/callbridge", "dev"], cwd=clone, env=environment, stdout=screen, stderr=screen
        )
    try:
        deadline = time.monotonic() + FIRST_START_S
        while "simulate call" not in (clone / "screen").read_text():
            assert process.poll() is None and time.monotonic() < deadline, (clone / "screen").read_text()
        running = read_running(clone / ".callbridge")
        assert running is not None
        yield running
    finally:
        process.terminate()
        process.wait(60)


def loud_seconds(path: Path) -> tuple[float, float]:
    """How long each side of a stereo recording can be heard: caller, agent."""
    with wave.open(str(path)) as recorded:
        assert recorded.getnchannels() == 2
        rate = recorded.getframerate()
        samples = array.array("h", recorded.readframes(recorded.getnframes()))
    caller, agent = samples[0::2], samples[1::2]
    return sum(abs(one) > 500 for one in caller) / rate, sum(abs(one) > 500 for one in agent) / rate


def test_the_first_screen_of_the_readme_makes_a_call(
    server: RunningServer, clone: Path, environment: dict[str, str]
):
    """Whoever pastes these lines is deciding whether to stay; the server's own screen shows the same ones."""
    start, commands = blocks(ROOT / "README.md", "bash")[:2]
    assert start == "make run\n"
    screen = (clone / "screen").read_text()
    assert all(line in screen for line in commands.splitlines() if not line.startswith(("#", "URL=")))
    mine = f"URL={server.url} KEY={server.api_key}"
    commands, replaced = re.subn(r"^URL=\S+ KEY=\S+$", mine, commands, flags=re.MULTILINE)
    assert replaced == 1

    typed = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],  # noqa: S607 (the reader's own shell)
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert typed.returncode == 0, typed.stdout + typed.stderr
    assert "Harbour Books, good day! How can I help?" in typed.stdout
    assert "The shop is open from nine to six." in typed.stdout
    saved = re.search(r"\(caller left, agent right\): (\S+\.wav)", typed.stdout)
    assert saved
    caller_s, agent_s = loud_seconds(clone / saved[1])
    assert caller_s > 0.3 and agent_s > 0.5

    transcript = re.search(r"Transcript: \S+ call transcript (call_\w+)", typed.stdout)
    assert transcript
    answer = httpx.get(
        f"{server.url}/v1/calls/{transcript[1]}/transcript",
        headers={"Authorization": f"Bearer {server.api_key}"},
    )
    assert [(line["role"], line["text"]) for line in answer.json()["items"]] == [
        ("agent", "Harbour Books, good day! How can I help?"),
        ("caller", "Good day, when are you open?"),
        ("agent", "The shop is open from nine to six."),
    ]
