"""The project's own Caddyfile with a real Caddy, TLS for the phones, on the bridge's core."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Generator
from pathlib import Path

from bench.bridges import BIN, BRIDGE_CORE, ROOT, START_LIMIT_S, NotStarted, pin

WORKER_PORT = 8000
"""The Caddyfile's."""
HTTPS_PORT = 5443
SITE = f"https://localhost:{HTTPS_PORT}"


@contextlib.contextmanager
def in_front(folder: Path) -> Generator[tuple[int, Path]]:
    """Its process, and the authority that its certificate comes from."""
    program = shutil.which("caddy", path=f"{BIN}:{os.environ.get('PATH', '')}")
    if program is None:
        raise NotStarted("caddy is missing: `make bench` installs it.")
    home = folder / "caddy"
    home.mkdir(exist_ok=True)
    (home / "bench.caddy").write_text("auto_https disable_redirects\nskip_install_trust\n")
    environment = os.environ | {
        "SITE_ADDRESS": SITE,
        "WORKERS_AT": f"127.0.0.1:{WORKER_PORT}",
        "CADDY_ADMIN": "127.0.0.1:5081",
        "CADDY_GLOBAL": f"{home}/*.caddy",
        "XDG_DATA_HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
        "HOME": str(home),
    }
    command = [program, "run", "--config", str(ROOT / "Caddyfile"), "--adapter", "caddyfile"]
    with (folder / "caddy.log").open("ab") as log:
        child = subprocess.Popen(pin(command, BRIDGE_CORE), env=environment, stdout=log, stderr=log)
    try:
        trust = home / "caddy/pki/authorities/local/root.crt"
        _until_up(child, trust)
        yield child.pid, trust
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(20)


def _until_up(child: subprocess.Popen[bytes], trust: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while child.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("localhost", HTTPS_PORT), 1):
            if trust.exists():
                return
        time.sleep(0.1)
    raise NotStarted("Caddy does not answer; see caddy.log.")
