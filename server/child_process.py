"""Processes that we start and that must not outlive us."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

UNPRIVILEGED_ID = 65534
"""`nobody` on Linux and macOS alike."""
QUICK_DEATH_S = 10.0
"""Who lived shorter than this is brought back later each time."""
LONGEST_WAIT_S = 10.0

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def dies_with_parent() -> None:
    """Between fork and exec: Linux ends the child with SIGINT when its parent thread is gone.

    A change of user clears it (man 2 PR_SET_PDEATHSIG), so that comes first.
    """
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGINT))


def as_another_user() -> None:
    """Between fork and exec: root becomes uid 1000 of a user namespace. OSError where that is forbidden."""
    if _libc is None or _libc.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "no user namespace")
    for name, text in (("setgroups", "deny"), ("uid_map", "1000 0 1"), ("gid_map", "1000 0 1")):
        descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY)
        os.write(descriptor, text.encode())
        os.close(descriptor)
    dies_with_parent()


class Child:
    """A process that is brought back when it dies: at once, and later each time when it dies young."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], url: str) -> None:
        self.name = name
        self.url = url
        """Answers 200 once it is ready."""
        self.ready = False
        self.deaths = 0
        self._command = list(command)
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._start_at = 0.0
        self._young_deaths = 0

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        self._started_at = time.monotonic()
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            env=self._environment,
            # A Ctrl-C is for the supervisor, which lets calls finish first.
            start_new_session=True,
            preexec_fn=dies_with_parent,  # noqa: PLW1509 (one system call, no locks)
        )

    def died(self) -> int | None:
        """The exit code, once per death; negative: minus the signal's number."""
        process = self._process
        if process is None or process.poll() is None:
            return None
        self._process, self.ready = None, False
        self.deaths += 1
        young = time.monotonic() - self._started_at < QUICK_DEATH_S
        self._young_deaths = self._young_deaths + 1 if young else 0
        wait = min(0.25 * 2 ** (self._young_deaths - 2), LONGEST_WAIT_S) if self._young_deaths > 1 else 0.0
        self._start_at = time.monotonic() + wait
        return process.returncode

    def start_if_due(self) -> None:
        if self._process is None and time.monotonic() >= self._start_at:
            self.start()

    def signal(self, number: int) -> None:
        if self.alive() and self._process is not None:
            self._process.send_signal(number)
