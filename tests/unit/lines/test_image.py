"""The image's build speaks the lines with less than a clone has; what it leaves out must not be needed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from lines.built_in import NAMES, missing
from tests.architecture.documents import ROOT

WITHOUT_THE_CLONE = f"""
import runpy, sys
sys.path = ["."] + [path for path in sys.path[1:] if path != {str(ROOT)!r}]
runpy.run_module("lines", run_name="__main__", alter_sys=True)
"""


def stage(name: str) -> str:
    """What follows `FROM … AS name` in the Dockerfile."""
    return re.split(
        r"^FROM ", (ROOT / "infra/Dockerfile").read_text().partition(f"AS {name}\n")[2], flags=re.M
    )[0]


def test_the_rooms_that_the_build_copies_are_enough(tmp_path: Path) -> None:
    rooms = re.findall(r"^COPY (\w+) \1$", stage("lines"), re.MULTILINE)
    assert "lines" in rooms
    for room in rooms:
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("spoken", "__pycache__"))
    subprocess.run([sys.executable, "-c", WITHOUT_THE_CLONE], cwd=tmp_path, env={}, check=True)
    assert missing(tmp_path / "lines/spoken") == []
    assert len(list((tmp_path / "lines/spoken").iterdir())) == len(NAMES)


def test_the_voice_is_not_in_the_servers_own_packages() -> None:
    packages = (ROOT / "requirements/serve.lock").read_text()
    assert "hibari" not in packages and "onnxruntime" not in packages
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "!requirements/lines.lock" in ignored and "lines/spoken" in ignored
