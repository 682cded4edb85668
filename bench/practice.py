"""One Callbridge worker as its operators run it, beside the simulator: what measurements are taken on."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from database.migrate import upgrade
from server.embedded_postgres import EmbeddedPostgres
from simulator.model.settings import ModelTiming
from simulator.simulator import ACCOUNT_SID, AUTH_TOKEN, Simulator
from simulator.timing import Timing

KEY = "a-key-of-the-measurements"


class Practice:
    """`async with Practice() as practice:`; the worker is a process of its own, the simulator is in here."""

    def __init__(
        self, *, timing: Timing | None = None, model_timing: ModelTiming | None = None, **environ: str
    ) -> None:
        self._environ = environ
        self.sim = Simulator(openai_api_key=KEY, timing=timing, model_timing=model_timing)

    async def __aenter__(self) -> Practice:
        self._directory = tempfile.TemporaryDirectory(prefix="callbridge-bench-")
        data_dir = Path(self._directory.name)
        self._postgres = EmbeddedPostgres(data_dir, durable=False)
        await asyncio.to_thread(self._postgres.start)
        await upgrade(self._postgres.url())
        await self.sim.__aenter__()
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        environ = {name: value for name, value in os.environ.items() if name not in _OURS} | {
            "DATABASE_URL": self._postgres.url(),
            "DATA_DIR": str(data_dir),
            "PUBLIC_URL": self.url,
            "ADMIN_API_KEY": KEY,
            "SECRET_KEY": "a-secret-key-of-the-measurements",
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": self.sim.openai_base_url,
            "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
            "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
            "TWILIO_API_BASE_URL": self.sim.url,
            "API_REQUESTS_PER_MINUTE": "0",
            "LOG_LEVEL": "warning",
            "LOG_FORMAT": "console",
            **self._environ,
        }
        command = [sys.executable, "-m", "server.worker", "--slot", "0", "--port", str(port)]
        self.worker = await asyncio.create_subprocess_exec(*command, env=environ, cwd=_ROOT)
        self.api = httpx.AsyncClient(
            base_url=self.url, headers={"Authorization": f"Bearer {KEY}"}, timeout=30
        )
        await self._until_ready()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.api.aclose()
        self.worker.terminate()
        await self.worker.wait()
        await self.sim.__aexit__(kind, error, trace)
        await asyncio.to_thread(self._postgres.stop)
        self._directory.cleanup()

    async def _until_ready(self) -> None:
        async with asyncio.timeout(30):
            while True:
                try:
                    if (await self.api.get("/readyz")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                if self.worker.returncode is not None:
                    raise RuntimeError("The worker ended before it was ready.")
                await asyncio.sleep(0.05)

    async def number_with_agent(self, **agent: Any) -> str:
        """A number of the practice account, answered by a new agent."""
        body = {"name": "Measured", "prompt": "You answer the phone. We are open from nine to five."} | agent
        answer = (await self.api.post("/v1/agents", json=body)).raise_for_status()
        number = next(iter(self.sim.account.numbers.values())).phone_number
        wanted = {"number": number, "agent_id": answer.json()["id"]}
        (await self.api.post("/v1/phone-numbers", json=wanted)).raise_for_status()
        return number

    async def transcripts(self) -> dict[str, list[tuple[str, str]]]:
        """Who said what, by CallSid, of every call there was."""
        found: dict[str, list[tuple[str, str]]] = {}
        cursor: str | None = None
        while True:
            query = {"limit": "100"} | ({"cursor": cursor} if cursor else {})
            page = (await self.api.get("/v1/calls", params=query)).raise_for_status().json()
            for call in page["items"]:
                answer = await self.api.get(f"/v1/calls/{call['id']}/transcript")
                lines = answer.raise_for_status().json()["items"]
                found[call["twilio_call_sid"]] = [(line["role"], line["text"]) for line in lines]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    async def metrics(self) -> dict[str, float]:
        """The worker's own counters, by the name they have on its page."""
        page = (await self.api.get("/metrics")).raise_for_status().text
        rows = [line.rsplit(" ", 1) for line in page.splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, value in rows}

    def resident_kb(self) -> int:
        status = Path(f"/proc/{self.worker.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))

    def sockets(self) -> int:
        """Open sockets of the worker."""
        links = [link for link in Path(f"/proc/{self.worker.pid}/fd").iterdir() if link.is_symlink()]
        return sum(str(link.readlink()).startswith("socket:") for link in links)


_ROOT = Path(__file__).parent.parent
_OURS = frozenset({"OPENAI_API_KEY", "OPENAI_BASE_URL", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "WORKERS"})


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
