"""Everything an operator can set. Read once; no other module reads the environment."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import fields

Mode = Literal["dev", "serve"]

CALLS_PER_CORE = 200
MIN_API_KEY_LENGTH = 12
MIN_SECRET_KEY_LENGTH = 16
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("json", "console")
SECRETS = frozenset(
    {
        "database_url",
        "admin_api_key",
        "secret_key",
        "openai_api_key",
        "openai_proxy",
        "twilio_account_sid",
        "twilio_auth_token",
    }
)


class SettingsError(Exception):
    """All that is wrong, a line each, with what to do."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class Settings(Struct, frozen=True, kw_only=True):
    """Each field is the variable of its name in capitals. Addresses have no slash at the end.

    An empty one is not configured: `dev` stands something in before anything is started.
    """

    host: str
    """Address to listen on."""
    port: int
    """Worker k listens on port + k."""
    workers: int
    """Processes, one per core."""
    first_slot: int
    """Worker k is slot first_slot + k in the addresses that Twilio is given."""
    database_url: str
    """`postgresql://…`. Empty in dev: the embedded one."""
    data_dir: Path
    """Embedded database, generated keys, addresses of the running server."""
    public_url: str
    """Where Twilio reaches us: every address given to it and every signature check derives from this."""
    admin_api_key: str
    """An API key with every scope. Empty: only those in the database."""
    secret_key: tuple[str, ...]
    """The first encrypts and signs; the others are still accepted."""
    openai_api_key: str
    openai_base_url: str
    """Its Realtime socket is this with `ws` for `http`, and `/realtime`."""
    openai_proxy: str
    """Through which alone it can be reached; empty: it is reached directly."""
    twilio_account_sid: str
    twilio_auth_token: tuple[str, ...]
    """The first is used for requests; signatures by any are accepted."""
    twilio_api_base_url: str
    """`/2010-04-01/…` comes below it."""
    max_calls: int
    """Live calls per process."""
    drain_seconds: float
    """How long SIGTERM lets calls finish."""
    trusted_proxies: tuple[str, ...]
    """Networks whose `X-Forwarded-For` says where a request comes from."""
    api_requests_per_minute: int
    """Of each API key, in each process; 0: as many as it likes."""
    outgoing_allowed_hosts: tuple[str, ...]
    """`host` or `host:port`: webhooks may go there though it is not public, and over plain http."""
    transcript_retention_days: int
    """After this what was said is deleted, its recording too; 0: kept for ever."""
    recording_retention_days: int
    """After this recordings are deleted; 0: with the transcript."""
    log_level: str
    log_format: str

    @classmethod
    def from_env(cls, environ: Mapping[str, str], *, mode: Mode) -> Settings:
        """Raises SettingsError with everything that is wrong at once."""
        reader = _Reader(environ)
        settings = _read(reader, mode)
        if mode == "serve":
            _require(settings, reader.problems)
        else:
            _refuse_halves(environ, settings, reader.problems)
        if reader.problems:
            raise SettingsError(reader.problems)
        return settings

    def to_env(self) -> dict[str, str]:
        """What `from_env` reads back as these settings: how the supervisor hands them to its workers."""
        return {field.name.upper(): _as_text(getattr(self, field.name)) for field in fields(self)}

    def processes(self) -> dict[str, str]:
        """Where this machine reaches each, by slot."""
        return {
            str(self.first_slot + number): local_url(self.host, self.port + number)
            for number in range(self.workers)
        }

    def secrets(self) -> tuple[str, ...]:
        """What must appear in no log and no answer."""
        lists = (*self.secret_key, *self.twilio_auth_token)
        return (self.database_url, self.admin_api_key, self.openai_api_key, *lists)

    def __repr__(self) -> str:
        shown = (
            f"{field.name}={getattr(self, field.name)!r}"
            for field in fields(self)
            if field.name not in SECRETS
        )
        return f"Settings({', '.join(shown)})"


VARIABLES = tuple(field.name.upper() for field in fields(Settings))


class _Reader:
    """Takes variables out of the environment, and notes what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        value, path = self._environ.get(name, "").strip(), self._environ.get(f"{name}_FILE", "").strip()
        if value and path:
            self.problems.append(f"{name} and {name}_FILE are both set: keep one.")
        if not path or value:
            return value or default
        try:
            return Path(path).read_text(encoding="utf-8").strip() or default
        except (OSError, UnicodeDecodeError) as error:
            self.problems.append(f"{name}_FILE: {path} cannot be read ({type(error).__name__}).")
            return default

    def number(self, name: str, default: float, *, least: int, most: int, whole: bool = True) -> float:
        text = self.text(name)
        if not text:
            return default
        pattern = r"[0-9]{1,9}" if whole else r"[0-9]{1,9}(\.[0-9]+)?"
        if not re.fullmatch(pattern, text) or not least <= float(text) <= most:
            kind = "whole number" if whole else "number"
            self.problems.append(f"{name} must be a {kind} from {least} to {most}, not {text!r}.")
            return default
        return float(text)

    def listed(self, name: str) -> tuple[str, ...]:
        return tuple(part for part in (part.strip() for part in self.text(name).split(",")) if part)

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        value = self.text(name, default).lower()
        if value not in choices:
            self.problems.append(f"{name} must be one of {', '.join(choices)}, not {value!r}.")
        return value

    def checked(self, name: str, default: str, check: Callable[[str], str | None]) -> str:
        """`check` says what is wrong with a value that is there, without repeating it: it may be secret."""
        value = self.text(name, default)
        wrong = check(value) if value else None
        if wrong:
            self.problems.append(f"{name} {wrong}")
        return value


def _read(reader: _Reader, mode: Mode) -> Settings:
    host = reader.text("HOST", "127.0.0.1")
    port = int(reader.number("PORT", 8000, least=1, most=65_535))
    workers = int(reader.number("WORKERS", 1, least=1, most=64))
    if port + workers - 1 > 65_535:
        reader.problems.append(f"PORT {port} leaves no ports for {workers} WORKERS: choose a lower one.")
    account_sid = reader.checked("TWILIO_ACCOUNT_SID", "", _wrong_account_sid)
    auth_token = reader.listed("TWILIO_AUTH_TOKEN")
    return Settings(
        host=host,
        port=port,
        workers=workers,
        first_slot=int(reader.number("FIRST_SLOT", 0, least=0, most=99)),
        database_url=reader.checked("DATABASE_URL", "", _wrong_database_url),
        data_dir=Path(reader.text("DATA_DIR", "./.callbridge")).expanduser().absolute(),
        public_url=reader.checked(
            "PUBLIC_URL", local_url(host, port) if mode == "dev" else "", _wrong_public_url
        ).rstrip("/"),
        admin_api_key=reader.checked("ADMIN_API_KEY", "", _wrong_api_key),
        secret_key=_secret_key(reader),
        openai_api_key=reader.checked("OPENAI_API_KEY", "", _wrong_header_value),
        openai_base_url=reader.checked("OPENAI_BASE_URL", "https://api.openai.com/v1", _wrong_url).rstrip(
            "/"
        ),
        openai_proxy=reader.checked("OPENAI_PROXY", "", _wrong_proxy),
        twilio_account_sid=account_sid,
        twilio_auth_token=auth_token,
        twilio_api_base_url=reader.checked(
            "TWILIO_API_BASE_URL", "https://api.twilio.com", _wrong_url
        ).rstrip("/"),
        max_calls=int(reader.number("MAX_CALLS", default_max_calls(workers), least=1, most=10_000)),
        drain_seconds=reader.number("DRAIN_SECONDS", 10, least=0, most=86_400, whole=False),
        trusted_proxies=_trusted_proxies(reader),
        api_requests_per_minute=int(reader.number("API_REQUESTS_PER_MINUTE", 1800, least=0, most=1_000_000)),
        outgoing_allowed_hosts=_allowed_hosts(reader),
        transcript_retention_days=int(reader.number("TRANSCRIPT_RETENTION_DAYS", 0, least=0, most=36_500)),
        recording_retention_days=int(reader.number("RECORDING_RETENTION_DAYS", 0, least=0, most=36_500)),
        log_level=reader.choice("LOG_LEVEL", "info", LOG_LEVELS),
        log_format=reader.choice("LOG_FORMAT", "console" if os.isatty(2) else "json", LOG_FORMATS),
    )


def _require(settings: Settings, problems: list[str]) -> None:
    """`serve` stands nothing in. ADMIN_API_KEY is asked for later, unless the database holds a key."""
    named = {problem.split(" ", 1)[0].removesuffix(":").removesuffix("_FILE") for problem in problems}
    for name, mend in (
        ("DATABASE_URL", "postgresql://user:password@host/database"),
        ("PUBLIC_URL", "the https address at which Twilio reaches this server"),
        ("SECRET_KEY", "32 random bytes, for example from `openssl rand -hex 32`, kept for good"),
        ("OPENAI_API_KEY", "a key from OpenAI's dashboard"),
        ("TWILIO_ACCOUNT_SID", "the account's SID, on the first page of Twilio's console"),
        ("TWILIO_AUTH_TOKEN", "the account's token, on the first page of Twilio's console"),
    ):
        if not getattr(settings, name.lower()) and name not in named:
            problems.append(f"{name} is missing: set it to {mend}.")


def _refuse_halves(environ: Mapping[str, str], settings: Settings, problems: list[str]) -> None:
    """A vendor is real or stood in, never half of each."""
    if bool(settings.twilio_account_sid) != bool(settings.twilio_auth_token):
        problems.append("TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN go together: set both, or neither.")
    if environ.get("TWILIO_API_BASE_URL") and not settings.twilio_account_sid:
        problems.append("TWILIO_API_BASE_URL is set without TWILIO_ACCOUNT_SID: set both, or neither.")
    if environ.get("OPENAI_BASE_URL") and not settings.openai_api_key:
        problems.append("OPENAI_BASE_URL is set without OPENAI_API_KEY: set both, or neither.")


def local_url(host: str, port: int) -> str:
    """Where this machine reaches a server that listens there."""
    if host in {"", "0.0.0.0", "::"}:  # noqa: S104 (recognised, not listened on)
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def default_max_calls(workers: int) -> int:
    """A core carries this many calls with room to spare; workers that share one share them."""
    return max(1, min(CALLS_PER_CORE, CALLS_PER_CORE * (os.cpu_count() or 1) // workers))


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _secret_key(reader: _Reader) -> tuple[str, ...]:
    keys = reader.listed("SECRET_KEY")
    if any(len(key) < MIN_SECRET_KEY_LENGTH for key in keys):
        reader.problems.append(
            f"SECRET_KEY needs at least {MIN_SECRET_KEY_LENGTH} characters in each key of its list: "
            "take `openssl rand -hex 32`."
        )
    return keys


def _allowed_hosts(reader: _Reader) -> tuple[str, ...]:
    hosts = reader.listed("OUTGOING_ALLOWED_HOSTS")
    wrong = [host for host in hosts if not re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:[0-9]{1,5})?", host)]
    if wrong:
        reader.problems.append(
            f"OUTGOING_ALLOWED_HOSTS must list hosts, such as localhost or 10.0.0.7:8080, not {wrong[0]!r}."
        )
    return hosts


def _trusted_proxies(reader: _Reader) -> tuple[str, ...]:
    networks = reader.listed("TRUSTED_PROXIES") or ("127.0.0.0/8", "::1/128")
    for network in networks:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            reader.problems.append(
                f"TRUSTED_PROXIES must list addresses or networks, such as 10.0.0.0/8, not {network!r}."
            )
            return ()
    return networks


def _wrong_url(value: str) -> str | None:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return "is not an address."
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return "must begin with https:// (or http://) and name a host."
    if parts.query or parts.fragment or parts.username is not None:
        return "must have no user, `?` or `#` part."
    return None


def _wrong_proxy(value: str) -> str | None:
    """A user and a password may be in it."""
    try:
        parts = urlsplit(value)
        named = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        named = False
    return None if named else "must begin with http:// (or https://) and name a host."


def _wrong_public_url(value: str) -> str | None:
    wrong = _wrong_url(value)
    if wrong:
        return wrong
    parts = urlsplit(value)
    if parts.path not in {"", "/"}:
        return "must end after the host: Callbridge answers at its root."
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        return "must be https: plain http is for loopback addresses only."
    return None


def _wrong_database_url(value: str) -> str | None:
    try:
        scheme = urlsplit(value).scheme
    except ValueError:
        return "is not an address: write postgresql://user:password@host/database."
    if scheme not in {"postgresql", "postgres"}:
        return "must begin with postgresql://: Postgres is the only store."
    return None


def _wrong_header_value(value: str) -> str | None:
    return None if re.fullmatch(r"[!-~]+", value) else "must be plain characters without spaces."


def _wrong_api_key(value: str) -> str | None:
    if len(value) < MIN_API_KEY_LENGTH:
        return f"needs at least {MIN_API_KEY_LENGTH} characters: take `openssl rand -hex 32`."
    return _wrong_header_value(value)


def _wrong_account_sid(value: str) -> str | None:
    if re.fullmatch(r"AC[0-9a-fA-F]{32}", value):
        return None
    return "must be AC and 32 hexadecimal digits, as on the first page of Twilio's console."


def _as_text(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(str(part) for part in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] (tuples of text)
    return str(value)
