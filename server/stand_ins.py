"""What is real under `dev`, and what a practice stand-in takes the place of."""

from __future__ import annotations

import http.client
import os
import socket
import sys
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from server.child_process import Child
from server.data_dir import PracticeKeys
from server.settings import VARIABLES, Settings

SIMULATOR_PORT_OFFSET = 100
LOOPBACK = "127.0.0.1"


class StandIns(Struct, frozen=True, kw_only=True):
    """True: stood in."""

    database: bool
    twilio: bool
    openai: bool
    api_key: bool

    @property
    def simulator(self) -> bool:
        return self.twilio or self.openai


def needed(settings: Settings) -> StandIns:
    return StandIns(
        database=not settings.database_url,
        twilio=not settings.twilio_account_sid,
        openai=not settings.openai_api_key,
        api_key=not settings.admin_api_key,
    )


def stand_in(settings: Settings, keys: PracticeKeys, *, database_url: str, simulator_url: str) -> Settings:
    """Fill in what `settings` leaves empty."""
    standing_in = needed(settings)
    complete = replace(
        settings,
        database_url=settings.database_url or database_url,
        admin_api_key=settings.admin_api_key or keys.admin_api_key,
        secret_key=settings.secret_key or (keys.secret_key,),
    )
    if standing_in.twilio:
        complete = replace(
            complete,
            twilio_account_sid=keys.twilio_account_sid,
            twilio_auth_token=(keys.twilio_auth_token,),
            twilio_api_base_url=simulator_url,
        )
    if standing_in.openai:
        complete = replace(
            complete, openai_api_key=keys.openai_api_key, openai_base_url=f"{simulator_url}/v1"
        )
    return complete


def choose_simulator_url(settings: Settings) -> str:
    """The same from day to day while its port is free."""
    return f"http://{LOOPBACK}:{_free_port(settings.port + settings.workers - 1 + SIMULATOR_PORT_OFFSET)}"


def simulator_child(settings: Settings, keys: PracticeKeys, simulator_url: str) -> Child:
    """`settings` are complete."""
    arguments = {
        "--port": str(urlsplit(simulator_url).port),
        "--account-sid": keys.twilio_account_sid,
        "--auth-token": keys.twilio_auth_token,
        "--openai-api-key": keys.openai_api_key,
        "--public-url": settings.public_url,
        "--state-dir": str(settings.data_dir / "simulator"),
        "--voice": "hibari",
    }
    command = [sys.executable, "-m", "simulator", *(word for pair in arguments.items() for word in pair)]
    inherited = {
        name: value for name, value in os.environ.items() if name.removesuffix("_FILE") not in VARIABLES
    }
    return Child("simulator", command, inherited, f"{simulator_url}/simulator/state")


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port if port <= 65_535 else 0))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port on this machine")


def get_json(url: str, timeout_s: float = 2.0) -> object | None:
    """What a server on this machine answers; None while it does not answer 200 with JSON."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or LOOPBACK, parts.port, timeout=timeout_s)
    try:
        connection.request("GET", parts.path)
        answer = connection.getresponse()
        return msgspec.json.decode(answer.read()) if answer.status == 200 else None
    except (OSError, http.client.HTTPException, msgspec.DecodeError):
        return None
    finally:
        connection.close()
