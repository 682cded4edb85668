"""What a server keeps under DATA_DIR: who runs there, where it answers, and the keys that `dev` made up."""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path

import msgspec
from msgspec import Struct


class RunningServer(Struct, frozen=True, kw_only=True):
    """How a command on this machine reaches the server that runs here. Mode 0600."""

    mode: str
    pid: int
    """Of the supervisor."""
    url: str
    """Of the first worker."""
    workers: list[str]
    """Each worker's address."""
    public_url: str
    api_key: str
    """With every scope."""
    simulator_url: str = ""
    """Empty: no practice telephone network is running."""
    embedded_database_url: str = ""
    """Empty: the database is the operator's."""


class PracticeKeys(Struct, frozen=True, kw_only=True):
    """Made up once, so that what they encrypted and who was given them outlive a restart."""

    admin_api_key: str
    secret_key: str
    twilio_account_sid: str
    twilio_auth_token: str
    openai_api_key: str


class AlreadyRunning(Exception):
    def __init__(self, server: RunningServer | None) -> None:
        self.server = server
        """None: it is just starting."""
        super().__init__("already running")


class DataDir:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def claim(self) -> None:
        """For the life of this process; the kernel lets go of it however that ends. Raises AlreadyRunning."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = os.open(self.path / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise AlreadyRunning(read_running(self.path)) from error
        self.forget_running()

    def write_running(self, server: RunningServer) -> None:
        _write_private(self.path / "server.json", msgspec.json.format(msgspec.json.encode(server)))

    def forget_running(self) -> None:
        (self.path / "server.json").unlink(missing_ok=True)

    def practice_keys(self) -> PracticeKeys:
        path = self.path / "keys.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=PracticeKeys)
        except FileNotFoundError:
            keys = PracticeKeys(
                admin_api_key=f"cb_{secrets.token_urlsafe(24)}",
                secret_key=secrets.token_hex(32),
                twilio_account_sid=f"AC{secrets.token_hex(16)}",
                twilio_auth_token=secrets.token_hex(16),
                openai_api_key=f"sk-practice-{secrets.token_hex(16)}",
            )
            _write_private(path, msgspec.json.format(msgspec.json.encode(keys)))
            return keys


def read_running(data_dir: Path) -> RunningServer | None:
    """The server whose data is kept there, as far as its file tells."""
    try:
        return msgspec.json.decode((data_dir / "server.json").read_bytes(), type=RunningServer)
    except (OSError, msgspec.DecodeError):
        return None


def _write_private(path: Path, content: bytes) -> None:
    """Readable by nobody else at any moment, and never half-written."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(content)
    new.replace(path)
