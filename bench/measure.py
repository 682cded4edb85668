"""One run: a load process on one core, a fresh bridge on the other, and what was seen."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import msgspec
from msgspec.structs import replace

from bench import bridges, caddy, certificate, cgroup
from bench.bridges import BUILD, LOAD_CORE, ROOT, START_LIMIT_S, NotStarted
from bench.load.spec import Result, Spec, Target
from bench.scenarios import OURS, TOOL_CALLS_EACH, Scenario

BEYOND_S = 600.0
"""That a run may take beyond its window."""
PORTS = 5


def measure(name: str, scenario: Scenario) -> Result:
    """Raises NotStarted."""
    port = _free_ports()
    spec = Spec(
        calls=scenario.calls,
        control_calls=scenario.control_calls,
        window_s=scenario.window_s,
        windows=scenario.windows,
        calls_per_second=scenario.calls_per_second,
        life_s=scenario.life_s,
        dial_ms=scenario.dial_ms,
        step=scenario.step,
        model_port=port,
        twilio_port=port + 2,
        tool_port=port + 4,
        tool_calls_each=TOOL_CALLS_EACH if name == "tools" else 0,
    )
    environment = dict(os.environ)
    if scenario.tls:
        made, key = certificate.make(BUILD)
        spec = replace(spec, certificate=str(made), key=str(key))
        environment |= {"SSL_CERT_FILE": str(made), "NODE_EXTRA_CA_CERTS": str(made)}
    scheme, host = ("wss", "localhost") if scenario.tls else ("ws", "127.0.0.1")
    model_url = f"{scheme}://{host}:{port}/v1/realtime?model=bench"
    with _load(spec) as load, cgroup.quota(scenario.quota) as tasks:
        bridge_port = caddy.WORKER_PORT if scenario.caddy else port + 3
        with _bridge(name, scenario, bridge_port, model_url, port + 2, environment, tasks) as target:
            return _ask(load, target, scenario)


@contextlib.contextmanager
def _bridge(
    name: str,
    scenario: Scenario,
    port: int,
    model_url: str,
    twilio_port: int,
    environment: dict[str, str],
    tasks: str,
) -> Generator[Target]:
    if name not in OURS:
        with bridges.peer(
            name, port=port, model_url=model_url, environment=environment, cgroup=tasks
        ) as target:
            yield target
        return
    with bridges.product(
        port=port,
        model_url=model_url,
        twilio_port=twilio_port,
        environment=environment,
        cgroup=tasks,
        public_url=caddy.SITE if scenario.caddy else "",
        record=name == "recording",
        tool_port=twilio_port + 2 if name == "tools" else 0,
    ) as target:
        if not scenario.caddy:
            yield target
            return
        with caddy.in_front(BUILD) as (pid, trust):
            yield replace(target, pids=target.pids | {"caddy": pid}, trust=str(trust))


@contextlib.contextmanager
def _load(spec: Spec) -> Generator[subprocess.Popen[str]]:
    command = bridges.pin([sys.executable, "-m", "bench.load"], LOAD_CORE)
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        _tell(child, spec)
        if not _hear(child, START_LIMIT_S):
            raise NotStarted("The load process did not start.")
        yield child
    finally:
        child.kill()
        child.wait()


def _ask(load: subprocess.Popen[str], target: Target, scenario: Scenario) -> Result:
    _tell(load, target)
    answer = _hear(load, scenario.window_s * max(1, scenario.windows) + BEYOND_S)
    if not answer:
        raise NotStarted(f"The load process ended during {scenario.name}.")
    return msgspec.json.decode(answer, type=Result)


def _tell(child: subprocess.Popen[str], what: Spec | Target) -> None:
    assert child.stdin is not None  # noqa: S101 (it is a pipe)
    child.stdin.write(msgspec.json.encode(what).decode() + "\n")
    child.stdin.flush()


def _hear(child: subprocess.Popen[str], limit_s: float) -> str:
    """A line; empty when it ended, or said nothing for so long."""
    assert child.stdout is not None  # noqa: S101 (as above)
    if not select.select([child.stdout], [], [], limit_s)[0]:
        return ""
    return child.stdout.readline()


def _free_ports() -> int:
    """The first of PORTS that follow each other."""
    for first in range(18_400, 20_000, PORTS):
        with contextlib.ExitStack() as held:
            try:
                for port in range(first, first + PORTS):
                    held.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise NotStarted("No free ports.")


def machine() -> str:
    """Of the machine, what the figures depend on."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "unknown processor",
    )
    return f"{os.cpu_count()} cores, {model}, Linux {os.uname().release.split('-')[0]}"
