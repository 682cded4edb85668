"""How each bridge is started, as its users start it, on core 0."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

import httpx

from bench.load.spec import Target

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / ".callbridge/bench"
"""Everything that a run makes: compiled peers, databases, certificates."""
BIN = Path(sys.executable).parent
"""Whatever measures is what is measured, of Python and packages."""
NUMBER = "+12125550100"
ACCOUNT_SID, AUTH_TOKEN = "AC" + "b" * 32, "a" * 32
API_KEY = "bench-" + secrets.token_hex(8)
BRIDGE_CORE, LOAD_CORE = 0, 1
START_LIMIT_S = 60.0
STOP_LIMIT_S = 40.0
PEERS = ("node", "c", "bare", "litestar")


class NotStarted(Exception):
    """The message says what is missing."""


def prepare(bridges: list[str]) -> None:
    """Compile and install what the peers need. Raises NotStarted."""
    BUILD.mkdir(parents=True, exist_ok=True)
    _alone()
    # Every session begins with an empty database.
    shutil.rmtree(BUILD / "data", ignore_errors=True)
    if "c" in bridges:
        if not shutil.which("gcc"):
            raise NotStarted("gcc is missing: install it, or leave `c` out of --bridges.")
        _run(["gcc", "-O2", "-Wall", "-o", str(BUILD / "relay"), str(ROOT / "bench/peers/relay.c")])
    if "node" in bridges:
        if not shutil.which("npm"):
            raise NotStarted("Node is missing: install it, or leave `node` out of --bridges.")
        folder = BUILD / "node"
        folder.mkdir(exist_ok=True)
        for name in ("package.json", "bridge.mjs"):
            shutil.copy(ROOT / "bench/peers/node" / name, folder / name)
        _run(
            [
                "npm",
                "install",
                "--prefix",
                str(folder),
                "--no-package-lock",
                "--no-audit",
                "--no-fund",
                "--silent",
            ]
        )


def _alone() -> None:
    """Two at once would measure each other. Raises NotStarted."""
    lock = os.open(BUILD / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise NotStarted("Another bench is running in this clone: wait for it.") from None
    # Kept open, and so locked, until this process ends.


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotStarted(f"{' '.join(command[:3])}: {done.stderr.strip()}")


def pin(command: list[str], core: int) -> list[str]:
    return ["taskset", "-c", str(core), *command]


@contextlib.contextmanager
def peer(
    name: str, *, port: int, model_url: str, environment: Mapping[str, str], cgroup: str
) -> Generator[Target]:
    """`model_url`: of the model's socket. `cgroup`: its `tasks` file, or empty."""
    command = {
        "node": ["node", str(BUILD / "node/bridge.mjs")],
        "c": [str(BUILD / "relay")],
        "bare": [sys.executable, str(ROOT / "bench/peers/bare_splice.py")],
        "litestar": [sys.executable, str(ROOT / "bench/peers/litestar_bridge.py")],
    }[name]
    model_port = model_url.split(":")[2].split("/", maxsplit=1)[0]
    told = {"PORT": str(port), "MODEL_URL": model_url, "MODEL_PORT": model_port, "OPENAI_API_KEY": API_KEY}
    with _process(command, dict(environment) | told, BRIDGE_CORE, cgroup) as child:
        _until(lambda: socket.create_connection(("127.0.0.1", port), 1).close(), child)
        yield Target(
            url=f"ws://127.0.0.1:{port}/media",
            product=False,
            pids={"bridge": child.pid},
            ramp_per_second=100,
        )


@contextlib.contextmanager
def product(
    *,
    port: int,
    model_url: str,
    twilio_port: int,
    environment: Mapping[str, str],
    cgroup: str,
    public_url: str = "",
    record: bool = False,
    tool_port: int = 0,
) -> Generator[Target]:
    """`callbridge dev` with Twilio and the model named as an operator names real ones: only Postgres is its
    own. Every feature as it is by default."""
    data_dir = BUILD / "data"
    url = f"http://127.0.0.1:{port}"
    told = {
        "PORT": str(port),
        "DATA_DIR": str(data_dir),
        "PUBLIC_URL": public_url or url,
        "ADMIN_API_KEY": API_KEY,
        "OPENAI_API_KEY": API_KEY,
        "OPENAI_BASE_URL": model_url.replace("ws", "http", 1).split("/realtime")[0],
        "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
        "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
        "TWILIO_API_BASE_URL": f"http://127.0.0.1:{twilio_port}",
        "MAX_CALLS": "5000",
        "LOG_FORMAT": "json",
        "OUTGOING_ALLOWED_HOSTS": f"127.0.0.1:{tool_port}" if tool_port else "",
        "DRAIN_SECONDS": "1",
    }
    inherited = dict(environment) | {"PATH": f"{BIN}:{environment.get('PATH', '')}"}
    with _process([str(BIN / "callbridge"), "dev"], inherited | told, BRIDGE_CORE, cgroup) as child:
        _until(lambda: httpx.get(f"{url}/readyz", timeout=2).raise_for_status(), child)
        _make_agent(url, {"record": record, "tools": [_tool(tool_port)] if tool_port else []})
        yield Target(
            url=public_url or url,
            product=True,
            pids={"bridge": child.pid},
            auth_token=AUTH_TOKEN,
            account_sid=ACCOUNT_SID,
            number=NUMBER,
            ramp_per_second=40,
        )


def _tool(port: int) -> dict[str, Any]:
    parameters: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
    webhook = {"url": f"http://127.0.0.1:{port}/", "timeout_seconds": 15}
    described: dict[str, Any] = {"name": "look_up", "description": "Looks it up.", "parameters": parameters}
    return {"type": "function", **described, "webhook": webhook}


def _make_agent(url: str, fields: dict[str, Any]) -> None:
    """Once for each database; later starts find the number, and change its agent."""
    with httpx.Client(
        base_url=f"{url}/v1", headers={"Authorization": f"Bearer {API_KEY}"}, timeout=30
    ) as api:
        for one in api.get("/phone-numbers").raise_for_status().json()["items"]:
            if one["number"] == NUMBER:
                agent = api.get(f"/agents/{one['agent_id']}").raise_for_status().json()
                match = {"If-Match": str(agent["version"])}
                api.patch(f"/agents/{agent['id']}", json=fields, headers=match).raise_for_status()
                return
        greeting = "Hello, how may I help you?"
        agent = {"name": "Bench", "prompt": "You answer the phone.", "greeting": greeting, **fields}
        made = api.post("/agents", json=agent).raise_for_status().json()
        number = {"number": NUMBER, "agent_id": made["id"], "take_over": True}
        api.post("/phone-numbers", json=number).raise_for_status()


@contextlib.contextmanager
def _process(
    command: list[str], environment: Mapping[str, str], core: int, cgroup: str
) -> Generator[subprocess.Popen[bytes]]:
    log = BUILD / "bridge.log"
    with log.open("ab") as output:
        child = subprocess.Popen(
            pin(command, core), env=dict(environment), stdout=output, stderr=output, cwd=BUILD
        )
    try:
        if cgroup:
            Path(cgroup).write_text(str(child.pid))
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _until(attempt: Callable[[], object], child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while child.poll() is None and time.monotonic() < deadline:
        try:
            attempt()
        except (OSError, httpx.HTTPError):
            time.sleep(0.05)
        else:
            return
    raise NotStarted(f"It does not answer; see {BUILD / 'bridge.log'}.")
