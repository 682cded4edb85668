"""The parent of all processes: workers, and under `dev` the embedded Postgres and the simulator.

Plain synchronous code in one thread: it waits for signals and deaths, and does little else. Right as PID 1.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from types import FrameType

import structlog

from server.child_process import Child
from server.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError
from server.settings import VARIABLES, Settings, local_url
from server.stand_ins import get_json

READY_LIMIT_S = 60.0
STOP_MARGIN_S = 25.0
"""Beyond DRAIN_SECONDS: for endings to be told to Twilio and written down, each with a limit of its own."""
TICK_S = 0.5
STARTING_TICK_S = 0.05

log = structlog.get_logger(__name__)


class SupervisorError(Exception):
    """It cannot be started; the message says what to do."""


class Supervisor:
    def __init__(
        self,
        settings: Settings,
        *,
        postgres: EmbeddedPostgres | None = None,
        simulator: Child | None = None,
    ) -> None:
        """`settings` are complete; `postgres`, if any, is running already, and ends with us."""
        self._settings = settings
        self._postgres = postgres
        self._simulator = simulator
        self.workers = [_worker(settings, number) for number in range(settings.workers)]
        self._signals = _Signals()
        self._stopping = 0
        """How many times we were asked to stop."""

    def run(self, on_ready: Callable[[], None]) -> int:
        """Until asked to stop. `on_ready` is called once, when all answer. Returns the exit code."""
        try:
            for child in self._children():
                child.start_if_due()
            if not self._become_ready():
                return 0 if self._stopping else 1
            on_ready()
            while not self._stopping:
                self._look_after()
                self._wait(TICK_S)
            return 0
        finally:
            self._stop()

    def _children(self) -> list[Child]:
        return [*self.workers, *([self._simulator] if self._simulator else [])]

    def _become_ready(self) -> bool:
        """False when something dies before it ever answered, which another attempt would not mend."""
        deadline = time.monotonic() + READY_LIMIT_S
        while not self._stopping:
            waiting = [child for child in self._children() if not child.ready]
            for child in waiting:
                child.ready = get_json(child.url) is not None
                code = child.died()
                if code is not None:
                    log.error("did_not_start", process=child.name, exit_code=code)
                    return False
            if all(child.ready for child in waiting):
                return True
            if time.monotonic() > deadline:
                log.error("not_ready_in_time", processes=[c.name for c in waiting], limit_s=READY_LIMIT_S)
                return False
            self._wait(STARTING_TICK_S)
        return False

    def _look_after(self) -> None:
        for child in self._children():
            code = child.died()
            if code is not None:
                log.error("process_died", process=child.name, exit_code=code, deaths=child.deaths)
            child.start_if_due()
        if self._postgres is not None and not self._postgres.alive():
            log.error("process_died", process="embedded Postgres")
            try:
                self._postgres.start()
            except EmbeddedPostgresError as error:
                log.error("embedded_postgres_away", problem=str(error))
        _reap_adopted(
            [child.pid for child in self._children()] + [self._postgres.pid if self._postgres else None]
        )

    def _wait(self, seconds: float) -> None:
        for number in self._signals.wait(seconds):
            if number in {signal.SIGTERM, signal.SIGINT}:
                self._stopping += 1

    def _stop(self) -> None:
        """Workers first, as long as they need for their calls; asked a second time: at once."""
        deadline = time.monotonic() + self._settings.drain_seconds + STOP_MARGIN_S
        self._end(self.workers, deadline)
        self._end([self._simulator] if self._simulator else [], time.monotonic() + STOP_MARGIN_S)
        if self._postgres is not None:
            self._postgres.stop()
        self._signals.close()

    def _end(self, children: Sequence[Child], deadline: float) -> None:
        asked = self._stopping
        for child in children:
            child.signal(signal.SIGTERM)
        while any(child.alive() for child in children) and time.monotonic() < deadline:
            self._wait(STARTING_TICK_S)
            if self._stopping > max(asked, 1):
                break
        for child in children:
            child.signal(signal.SIGKILL)


class _Signals:
    """Signals as something to wait for: a death wakes us as well as a request to stop."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, _noted)

    def wait(self, seconds: float) -> bytes:
        ready, _, _ = select.select([self._reader], [], [], seconds)
        return self._reader.recv(4096) if ready else b""

    def close(self) -> None:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        self._reader.close()
        self._writer.close()


def _noted(_number: int, _frame: FrameType | None) -> None:
    """Python writes the signal's number to the wakeup socket by itself."""


def _reap_adopted(ours: Sequence[int | None]) -> None:
    """As PID 1 we inherit orphans, and somebody must take note of their deaths."""
    if os.getpid() != 1:
        return
    with contextlib.suppress(ChildProcessError):
        while (dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
            if dead.si_pid in ours:
                return
            os.waitpid(dead.si_pid, 0)


def _worker(settings: Settings, number: int) -> Child:
    port, slot = settings.port + number, settings.first_slot + number
    command = [sys.executable, "-m", "server.worker_process", "--slot", str(slot), "--port", str(port)]
    inherited = {
        name: value for name, value in os.environ.items() if name.removesuffix("_FILE") not in VARIABLES
    }
    return Child(
        f"worker {slot}", command, inherited | settings.to_env(), f"{local_url(settings.host, port)}/healthz"
    )


def require_free_ports(settings: Settings) -> None:
    """Raises SupervisorError when another program listens where we are to."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    for port in range(settings.port, settings.port + settings.workers):
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.host, port))
            except OSError as error:
                raise SupervisorError(
                    f"Cannot listen on {settings.host} port {port} ({error.strerror}): "
                    "set PORT or HOST to another."
                ) from error
