"""From the environment to a running server: `dev` stands in for what is missing, `serve` refuses to."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import time
from collections.abc import Callable
from pathlib import Path

import structlog
from msgspec import Struct
from msgspec.structs import replace

from server import spoken_lines
from server.child_process import Child
from server.data_dir import DataDir, RunningServer, read_running
from server.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError
from server.env_file import EnvFileError, with_env_file
from server.logging import configure_logging
from server.prepare_database import DatabaseTrouble, admin_key_exists, prepare_database
from server.settings import Mode, Settings, SettingsError
from server.stand_ins import StandIns, choose_simulator_url, get_json, needed, simulator_child, stand_in
from server.supervisor import Supervisor, SupervisorError, require_free_ports

log = structlog.get_logger(__name__)


class StartError(Exception):
    """It cannot be started; a line for each thing to do."""


class Started(Struct, frozen=True, kw_only=True):
    """What there is to tell once all answers."""

    settings: Settings
    server: RunningServer
    stand_ins: StandIns
    practice_numbers: list[str]
    seconds: float


def read_settings(mode: Mode) -> Settings:
    """From the environment and `.env`. Raises StartError."""
    try:
        return Settings.from_env(with_env_file(os.environ, Path(".env")), mode=mode)
    except (SettingsError, EnvFileError) as error:
        raise StartError(str(error)) from error


def run_dev(on_ready: Callable[[Started], None]) -> int:
    """Raises StartError, AlreadyRunning. Returns the exit code."""
    began = time.monotonic()
    configured = read_settings("dev")
    _log(configured)
    data = DataDir(configured.data_dir)
    data.claim()
    _require_free_ports(configured)
    standing_in = needed(configured)
    keys = data.practice_keys()
    simulator_url = choose_simulator_url(configured) if standing_in.simulator else ""
    simulator = simulator_child(configured, keys, simulator_url) if standing_in.simulator else None
    if simulator is not None:
        simulator.start()  # first of all: it and the database become ready side by side
    spoken_lines.make_missing()
    postgres: EmbeddedPostgres | None = None
    try:
        if standing_in.database:
            postgres = _embedded_postgres(data)
        database_url = postgres.url() if postgres else ""
        settings = stand_in(configured, keys, database_url=database_url, simulator_url=simulator_url)
        _prepare_database(settings, migrate=True)
    except BaseException:
        _end(postgres, simulator)
        raise
    server = _running(settings, "dev", simulator_url=simulator_url, embedded_database_url=database_url)

    def ready() -> None:
        data.write_running(server)
        numbers = practice_numbers(simulator_url) if standing_in.twilio else []
        on_ready(
            Started(
                settings=settings,
                server=server,
                stand_ins=standing_in,
                practice_numbers=numbers,
                seconds=time.monotonic() - began,
            )
        )

    return _supervise(data, settings, ready, postgres, simulator)


def run_serve(*, migrate: bool) -> int:
    """Raises StartError, AlreadyRunning. Returns the exit code."""
    settings = read_settings("serve")
    _log(settings)
    data = DataDir(settings.data_dir)
    data.claim()
    _require_free_ports(settings)
    _prepare_database(settings, migrate=migrate)
    spoken_lines.tell_missing()
    if not settings.admin_api_key:
        if not asyncio.run(admin_key_exists(settings.database_url)):
            raise StartError(
                "ADMIN_API_KEY is missing and the database holds no API key: "
                "set it, for example to the output of `openssl rand -hex 32`."
            )
        # So that the commands on this machine can reach the server; it ends with this start.
        settings = replace(settings, admin_api_key=f"cb_{secrets.token_urlsafe(32)}")
    server = _running(settings, "serve")

    def ready() -> None:
        data.write_running(server)
        log.info("serving", url=server.url, public_url=server.public_url, workers=settings.workers)

    return _supervise(data, settings, ready, None, None)


def practice_numbers(simulator_url: str) -> list[str]:
    """The numbers that the practice account owns."""
    state = get_json(f"{simulator_url}/simulator/state")
    numbers = state.get("numbers") if isinstance(state, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] (JSON)
    if not isinstance(numbers, list):
        return []
    return [str(one["number"]) if isinstance(one, dict) else str(one) for one in numbers]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] (JSON)


def _supervise(
    data: DataDir,
    settings: Settings,
    on_ready: Callable[[], None],
    postgres: EmbeddedPostgres | None,
    simulator: Child | None,
) -> int:
    try:
        return Supervisor(settings, postgres=postgres, simulator=simulator).run(on_ready)
    finally:
        data.forget_running()


def _log(settings: Settings) -> None:
    configure_logging(settings.log_level, settings.log_format, settings.secrets())


def _require_free_ports(settings: Settings) -> None:
    try:
        require_free_ports(settings)
    except SupervisorError as error:
        raise StartError(str(error)) from error


def _embedded_postgres(data: DataDir) -> EmbeddedPostgres:
    try:
        postgres = EmbeddedPostgres(data.path / "postgres")
        postgres.start()
    except EmbeddedPostgresError as error:
        raise StartError(str(error)) from error
    return postgres


def _end(postgres: EmbeddedPostgres | None, simulator: Child | None) -> None:
    """What was begun of a start that failed."""
    if postgres is not None:
        postgres.stop()
    if simulator is not None:
        simulator.signal(signal.SIGTERM)


def _running(
    settings: Settings, mode: Mode, *, simulator_url: str = "", embedded_database_url: str = ""
) -> RunningServer:
    workers = list(settings.processes().values())
    return RunningServer(
        mode=mode,
        pid=os.getpid(),
        url=workers[0],
        workers=workers,
        public_url=settings.public_url,
        api_key=settings.admin_api_key,
        simulator_url=simulator_url,
        embedded_database_url=embedded_database_url,
    )


def _prepare_database(settings: Settings, *, migrate: bool) -> None:
    try:
        asyncio.run(prepare_database(settings.database_url, migrate=migrate))
    except DatabaseTrouble as error:
        raise StartError(str(error)) from error


def settings_of_running() -> Settings:
    """Those of the server that runs here, its stand-ins filled in; else what `serve` would start with.

    Raises StartError.
    """
    server = read_running(data_dir())
    if server is None or server.mode == "serve":
        return read_settings("serve")
    configured = replace(read_settings("dev"), public_url=server.public_url)
    return stand_in(
        configured,
        DataDir(configured.data_dir).practice_keys(),
        database_url=server.embedded_database_url,
        simulator_url=server.simulator_url,
    )


def data_dir() -> Path:
    """Where a server that runs here keeps its data. Raises StartError."""
    try:
        environ = with_env_file(os.environ, Path(".env"))
    except EnvFileError as error:
        raise StartError(str(error)) from error
    return Path(environ.get("DATA_DIR", "./.callbridge")).expanduser().absolute()
