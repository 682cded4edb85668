"""Everything a run needs: Postgres, servers, the simulator in a process of its own, an operator's tool."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from sqlalchemy import select

from bench.chaos import small_disk
from bench.chaos.front import Front
from database.migrate import upgrade
from database.models import Call
from database.session import Database
from server.embedded_postgres import EmbeddedPostgres
from server.settings import VARIABLES

ACCOUNT_SID = "AC" + "0" * 31 + "7"
AUTH_TOKEN = "a-token-of-the-chaos"  # noqa: S105 (made up)
API_KEY = "a-key-of-the-chaos"
MODEL_KEY = "sk-of-the-chaos"
WORKERS = 2
READY_S = 60.0
STOP_S = 60.0
TOOL_MS = 300
GREETING = "Hello, this is Example. How can I help you?"
PROMPT = "Repeat what the caller says. {{caller_number}} calls."
_ROOT = Path(__file__).resolve().parents[2]


class Server:
    """One `callbridge serve` with its workers, on ports of its own."""

    def __init__(self, environment: dict[str, str], data_dir: Path, log: Path) -> None:
        self.port = free_ports(WORKERS)
        self.data_dir = data_dir
        self._environment = environment | {"PORT": str(self.port)}
        self._log = log
        self._signalled: dict[int, int] = {}

    @property
    def ports(self) -> dict[int, int]:
        return {slot: self.port + slot for slot in range(WORKERS)}

    async def start(self, http: aiohttp.ClientSession) -> None:
        with self._log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "cli.main", "serve", "--no-migrate"),
                cwd=_ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        for slot in self.ports:
            await self.until_ready(http, slot)

    async def until_ready(self, http: aiohttp.ClientSession, slot: int) -> None:
        async with asyncio.timeout(READY_S):
            while True:
                try:
                    async with http.get(f"http://127.0.0.1:{self.ports[slot]}/readyz") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                if self.process.returncode is not None:
                    raise RuntimeError(f"The server did not start; see {self._log}.")
                await asyncio.sleep(0.05)

    def signal(self, slot: int, number: signal.Signals) -> bool:
        """To the process that has the slot now. False: none has it."""
        pid = self.pid(slot)
        if pid is not None:
            self._signalled[slot] = pid
            os.kill(pid, number)
        return pid is not None

    def pid(self, slot: int) -> int | None:
        """Of the process that has the slot now. Linux only."""
        supervisor = self.process.pid
        for pid in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split():
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"--slot" in command and command[command.index(b"--slot") + 1] == str(slot).encode():
                return int(pid)
        return None

    async def until_restarted(self, http: aiohttp.ClientSession, slot: int) -> None:
        """After SIGTERM: until the process that has the slot now is not the one that had it, and is ready."""
        async with asyncio.timeout(READY_S):
            while True:
                if self.pid(slot) not in (None, self._signalled.get(slot)):
                    break
                await asyncio.sleep(0.05)
        await self.until_ready(http, slot)

    async def stop(self) -> None:
        """SIGTERM, and as long as it takes."""
        if self.process.returncode is None:
            self.process.terminate()
            async with asyncio.timeout(STOP_S):
                await self.process.wait()


class Tool:
    """An operator's webhook, which counts how often it is asked for what."""

    def __init__(self) -> None:
        self.runs: Counter[int] = Counter()
        """By the number of the caller's line, which only that line's words hold."""
        self.keys: Counter[str] = Counter()
        self._asked = asyncio.Event()

    async def __aenter__(self) -> Tool:
        application = web.Application()
        application.router.add_post("/look-up", self._look_up)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port: int = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def asked(self, order: int) -> None:
        """Until somebody has asked for that order."""
        while not self.runs[order]:
            self._asked.clear()
            await self._asked.wait()

    async def _look_up(self, request: web.Request) -> web.Response:
        order = int((await request.json())["arguments"]["order"])
        self.runs[order] += 1
        self._asked.set()
        self.keys[request.headers["Idempotency-Key"]] += 1
        await asyncio.sleep(TOOL_MS / 1000)
        return web.Response(text=found(order))


def found(order: int) -> str:
    """What the tool tells the model."""
    return f"Order {order} is on its way to you."


class Stage:
    """`async with Stage() as stage:`; a directory is left behind where something went wrong."""

    def __init__(self, **environ: str) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="callbridge-chaos-")
        self.folder = Path(self._directory.name)
        self.front = Front()
        self.tool = Tool()
        self._environ = environ
        self._generation = 0
        self._postgres_thread = ThreadPoolExecutor(1)
        self._small_disks: list[Path] = []

    async def __aenter__(self) -> Stage:
        self.postgres = EmbeddedPostgres(self.folder)
        await self.start_postgres()
        await upgrade(self.postgres.url())
        self.http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        await self.front.__aenter__()
        await self.tool.__aenter__()
        await self._start_simulator()
        self.server = self._new_server()
        await self.server.start(self.http)
        self.front.ports = self.server.ports
        await self._set_up()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.stop()
        self._simulator.terminate()
        await self._simulator.wait()
        await self.tool.__aexit__()
        await self.front.__aexit__()
        await self.http.close()
        await self.stop_postgres()
        self._postgres_thread.shutdown()
        for disk in self._small_disks:
            small_disk.unmount(disk)
        self._directory.cleanup()

    async def deploy(self, before_the_old_one_stops: Callable[[], None]) -> None:
        """Another server takes the new calls, then the old one is told to stop and gives its calls away."""
        old, self.server = self.server, self._new_server()
        await self.server.start(self.http)
        self.front.ports = self.server.ports
        before_the_old_one_stops()
        await old.stop()

    async def start_postgres(self) -> None:
        await self._in_postgres_thread(self.postgres.start)

    async def stop_postgres(self) -> None:
        await self._in_postgres_thread(self.postgres.stop)

    async def calls_of(self, slot: int) -> set[str]:
        """The CallSids of those that the process has which has the slot now."""
        database = Database(self.postgres.url(), pool_size=1)
        try:
            async with database.session() as session:
                held = select(Call.twilio_call_sid).where(Call.slot == str(slot), Call.ended_at.is_(None))
                return {sid for sid in await session.scalars(held) if sid is not None}
        finally:
            await database.close()

    @property
    def small_disk(self) -> Path | None:
        """Where the server's spool is, if that is a disk that can be filled."""
        return self.server.data_dir if self.server.data_dir in self._small_disks else None

    async def _in_postgres_thread(self, deed: Callable[[], None]) -> None:
        """It lives as long as the thread that started it."""
        await asyncio.get_running_loop().run_in_executor(self._postgres_thread, deed)

    async def desk(self, method: str, path: str, **body: Any) -> Any:
        """The simulator's. Raises RuntimeError with what it says is wrong."""
        async with self.http.request(
            method, f"{self.desk_url}/simulator/{path}", json=body or None
        ) as answer:
            if answer.status >= 400:
                raise RuntimeError(await answer.text())
            return await answer.json() if answer.content_type == "application/json" else await answer.read()

    async def api(self, method: str, path: str, **body: Any) -> Any:
        headers = {"Authorization": f"Bearer {API_KEY}"}
        url = f"{self.front.url}/v1/{path}"
        async with self.http.request(method, url, json=body or None, headers=headers) as answer:
            if answer.status >= 400:
                raise RuntimeError(f"{method} {path}: {answer.status} {await answer.text()}")
            return await answer.json()

    async def _start_simulator(self) -> None:
        port = free_ports(1)
        self.desk_url = f"http://127.0.0.1:{port}"
        options = ("--port", str(port), "--account-sid", ACCOUNT_SID, "--auth-token", AUTH_TOKEN)
        self._simulator = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "simulator", *options, "--openai-api-key", MODEL_KEY, "--voice", "tones"),
            cwd=_ROOT,
        )
        async with asyncio.timeout(READY_S):
            while True:
                try:
                    await self.desk("GET", "state")
                    return
                except aiohttp.ClientError:
                    await asyncio.sleep(0.05)

    def _new_server(self) -> Server:
        self._generation += 1
        data_dir = self.folder / f"data-{self._generation}"
        data_dir.mkdir()
        if small_disk.mount(data_dir):
            self._small_disks.append(data_dir)
        others = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        environment = others | {
            "WORKERS": str(WORKERS),
            "PUBLIC_URL": self.front.url,
            "DATABASE_URL": self.postgres.url(),
            "DATA_DIR": str(data_dir),
            "ADMIN_API_KEY": API_KEY,
            "SECRET_KEY": "a-secret-key-of-the-chaos",
            "OPENAI_API_KEY": MODEL_KEY,
            "OPENAI_BASE_URL": f"{self.desk_url}/v1",
            "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
            "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
            "TWILIO_API_BASE_URL": self.desk_url,
            "OUTGOING_ALLOWED_HOSTS": f"127.0.0.1:{self.tool.port}",
            "MAX_CALLS": "200",
            "DRAIN_SECONDS": "1",
            "LOG_LEVEL": "warning",
            "LOG_FORMAT": "json",
            **self._environ,
        }
        return Server(environment, data_dir, self.folder / "server.log")

    async def _set_up(self) -> None:
        parameters = {"type": "object", "properties": {"order": {"type": "integer"}}, "required": ["order"]}
        tool = {
            "type": "function",
            "name": "look_up_order",
            "description": "Looks an order up.",
            "parameters": parameters,
            "webhook": {"url": f"http://127.0.0.1:{self.tool.port}/look-up"},
        }
        agent = await self.api(
            "POST", "agents", name="Reception", prompt=PROMPT, greeting=GREETING, tools=[tool]
        )
        state = await self.desk("GET", "state")
        self.number: str = state["numbers"][0]["number"]
        await self.api("POST", "phone-numbers", number=self.number, agent_id=agent["id"])


def free_ports(count: int) -> int:
    """The first of so many in a row, below those that the system gives to clients."""
    for _ in range(100):
        first = random.randrange(20_000, 30_000)
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    raise OSError(f"no {count} free ports in a row")
