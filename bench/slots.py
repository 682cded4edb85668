"""Calls set up over many processes: does each stream land where its model session waits?

`python -m bench.slots --calls 1000 --workers 4 [--kill]`. Twilio and Caddy are played here: webhooks go to
the processes in turn, streams to the one that their address names and, when that is down, to another.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import random
import signal
import socket
import sys
import tempfile
import time
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import aiohttp
from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import func, select
from twilio.request_validator import RequestValidator

from bench.greeting_model import GreetingModel, voice_of
from bridge.call.agent import AgentConfig
from database import agents
from database.migrate import upgrade
from database.models import Call, PhoneNumber
from database.session import Database
from server.embedded_postgres import EmbeddedPostgres
from server.settings import VARIABLES

NUMBER = "+12125550100"
AUTH_TOKEN = "a-token-of-the-measurements"  # noqa: S105 (made up)
AT_ONCE = 50
"""Calls that are being set up, or hung up, at the same time."""
ATTEMPTS = 3
LIMIT_S = 30.0
"""For any one thing to happen."""
_ROOT = Path(__file__).resolve().parent.parent


class Outcome(Struct, kw_only=True):
    calls: int
    seconds: float
    """Until all were up."""
    hang_up_seconds: float
    """Until the last status callback was answered."""
    first_audio_ms: list[float]
    """From `start` to the first frame of the caller's own greeting."""
    elsewhere: int
    """Streams that were taken to another process, because theirs was down."""
    most_sessions_at_once: int
    """Of any one call."""
    sessions: int
    completed: int
    """Rows that are final, with the caller's hanging up as the reason."""
    figures: dict[str, float]
    """The page of all processes, as one of them gives it."""


class Fleet:
    """`callbridge serve` with so many workers, a database and a voice model."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.model = GreetingModel()
        self._directory = tempfile.TemporaryDirectory(prefix="callbridge-slots-")

    async def __aenter__(self) -> Fleet:
        folder = Path(self._directory.name)
        self._postgres = EmbeddedPostgres(folder, durable=False)
        self._postgres.start()
        await upgrade(self._postgres.url())
        self.database = Database(self._postgres.url())
        async with self.database.session.begin() as session:
            config = AgentConfig(name="Reception", prompt="{{caller_number}} calls.", greeting="Hello.")
            agent = await agents.create_agent(session, config)
            session.add(PhoneNumber(id="number_1", number=NUMBER, agent_id=agent.id))
        await self.model.start()
        self.http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self.port = _free_ports(self.workers)
        self.public_url = f"http://127.0.0.1:{self.port}"
        self._server = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cli.main", "serve", cwd=_ROOT, env=self._environment(folder)
        )
        for slot in range(self.workers):
            await self.until_ready(slot)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()
        self._server.terminate()
        await self._server.wait()
        await self.model.stop()
        await self.database.close()
        self._postgres.stop()
        self._directory.cleanup()

    def _environment(self, folder: Path) -> dict[str, str]:
        others = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        return others | {
            "PORT": str(self.port),
            "WORKERS": str(self.workers),
            "PUBLIC_URL": self.public_url,
            "DATABASE_URL": self._postgres.url(),
            "DATA_DIR": str(folder / "data"),
            "ADMIN_API_KEY": "a-key-of-the-measurements",
            "SECRET_KEY": "a-secret-key-of-the-measurements",
            "OPENAI_API_KEY": "sk-of-the-measurements",
            "OPENAI_BASE_URL": self.model.base_url,
            "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
            "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
            "TWILIO_API_BASE_URL": "http://127.0.0.1:9",
            "MAX_CALLS": "2000",
            "DRAIN_SECONDS": "0",
            "LOG_LEVEL": "warning",
        }

    def address(self, slot: int, path: str) -> str:
        return f"http://127.0.0.1:{self.port + slot}{path}"

    async def until_ready(self, slot: int) -> None:
        async with asyncio.timeout(LIMIT_S):
            while True:
                try:
                    async with self.http.get(self.address(slot, "/readyz")) as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.02)

    def pid(self, slot: int) -> int | None:
        """Of the process that has the slot now. Linux only."""
        supervisor = self._server.pid
        for pid in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split():
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if b"--slot" in command and command[command.index(b"--slot") + 1] == str(slot).encode():
                return int(pid)
        return None

    def kill(self, slot: int) -> None:
        """kill -9, as the system does when memory runs out."""
        pid = self.pid(slot)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)

    async def figures(self, slot: int) -> dict[str, float]:
        async with self.http.get(self.address(slot, "/metrics")) as answer:
            families = text_string_to_metric_families(await answer.text())
        return {
            sample.name + "".join(f" {value}" for value in sample.labels.values()): sample.value
            for family in families
            for sample in family.samples
        }

    async def completed(self) -> int:
        async with self.database.session() as session:
            ended = (Call.status == "completed", Call.ended_reason == "caller_hung_up")
            return await session.scalar(select(func.count()).where(*ended)) or 0


class Caller:
    """One call, from the webhook to the last status callback."""

    def __init__(self, fleet: Fleet, index: int) -> None:
        self.elsewhere = False
        self.first_audio_ms = 0.0
        self._fleet = fleet
        self._index = index
        self.number = f"+1415555{index:04}"
        self._sid = f"CA{index:032x}"

    async def ring(self) -> None:
        answer = await self._post(self._index, "/twilio/voice", CallStatus="ringing")
        stream = ElementTree.fromstring(answer)[0][0]  # noqa: S314 (our own document)
        self._stream_url, self._token = stream.attrib["url"], stream[0].attrib["value"]

    async def connect(self) -> None:
        """As far as the first audio, which must be this caller's own."""
        path = urlsplit(self._stream_url).path
        slot = int(path.rsplit("/", 1)[1])
        try:
            self._media = await self._open(slot, path)
        except aiohttp.ClientConnectionError:
            self.elsewhere = True
            self._media = await self._open((slot + 1) % self._fleet.workers, path)
        began = time.monotonic()
        for message in ({"event": "connected", "protocol": "Call", "version": "1.0.0"}, self._start()):
            await self._media.send_json(message)
        async with asyncio.timeout(LIMIT_S):
            while (message := json.loads(await self._media.receive_str()))["event"] != "media":
                pass
        self.first_audio_ms = (time.monotonic() - began) * 1000
        self._listening = asyncio.create_task(self._listen())
        heard = base64.b64decode(message["media"]["payload"])
        if not voice_of(self.number).startswith(heard):
            raise AssertionError("a caller has heard another one's greeting")

    async def hang_up(self) -> None:
        """The last status callback goes to another process than the webhook did."""
        stop = {"event": "stop", "streamSid": "MZ1", "stop": {"accountSid": "AC1", "callSid": self._sid}}
        await self._media.send_json(stop)
        self._listening.cancel()
        await self._media.close()
        await self._post(self._index + 1, "/twilio/status", CallStatus="completed")

    async def _post(self, turn: int, path: str, *, attempt: int = 1, **form: str) -> str:
        """Twice more when that fails, as our addresses ask of Twilio (`rc=2`)."""
        last = attempt == ATTEMPTS
        form |= {"CallSid": self._sid, "From": self.number, "To": NUMBER}
        headers = _signed(self._fleet.public_url + path, form)
        url = self._fleet.address(turn % self._fleet.workers, path)
        try:
            async with self._fleet.http.post(url, data=form, headers=headers) as answer:
                if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR or last:
                    answer.raise_for_status()
                    return await answer.text()
        except aiohttp.ClientConnectionError:
            if last:
                raise
        return await self._post(turn + 1, path, attempt=attempt + 1, **form)

    async def _listen(self) -> None:
        """Somebody must answer the server's pings."""
        async for _ in self._media:
            pass

    async def _open(self, slot: int, path: str) -> aiohttp.ClientWebSocketResponse:
        headers = _signed(self._stream_url, {})
        return await self._fleet.http.ws_connect(self._fleet.address(slot, path), headers=headers, compress=0)

    def _start(self) -> dict[str, object]:
        start = {
            "accountSid": "AC1",
            "streamSid": "MZ1",
            "callSid": self._sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"token": self._token},
        }
        return {"event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": start}


def _signed(url: str, form: dict[str, str]) -> dict[str, str]:
    signature = RequestValidator(AUTH_TOKEN).compute_signature(url, form)  # pyright: ignore[reportUnknownMemberType] (the package carries no types)
    return {"X-Twilio-Signature": signature}


async def set_up(fleet: Fleet, calls: int, *, first: int = 0, kill: int | None = None) -> Outcome:
    """All calls up at the same time, then hung up. `kill`: that process is, between webhooks and streams.
    `first`: of the callers' numbers, which must be new."""
    callers = [Caller(fleet, index) for index in range(first, first + calls)]
    completed_before = await fleet.completed()
    gate = asyncio.Semaphore(AT_ONCE)

    async def prepared(caller: Caller) -> None:
        async with gate:
            await caller.ring()
            if kill is None:
                await caller.connect()

    async def connected(caller: Caller) -> None:
        async with gate:
            await caller.connect()

    async def hung_up(caller: Caller) -> None:
        async with gate:
            await caller.hang_up()

    began = time.monotonic()
    await asyncio.gather(*map(prepared, callers))
    if kill is not None:
        fleet.kill(kill)
        await asyncio.gather(*map(connected, callers))
    seconds = time.monotonic() - began
    await asyncio.gather(*map(hung_up, callers))
    hang_up_seconds = time.monotonic() - began - seconds
    return Outcome(
        calls=calls,
        seconds=seconds,
        hang_up_seconds=hang_up_seconds,
        first_audio_ms=sorted(caller.first_audio_ms for caller in callers),
        elsewhere=sum(caller.elsewhere for caller in callers),
        most_sessions_at_once=max(fleet.model.most_open[caller.number] for caller in callers),
        sessions=sum(fleet.model.opened[caller.number] for caller in callers),
        completed=await fleet.completed() - completed_before,
        figures=await fleet.figures(fleet.workers - 1),
    )


def _free_ports(count: int) -> int:
    """The first of so many in a row."""
    for _ in range(100):
        # Below those that the system gives to clients: nobody takes one while the processes start.
        first = random.randrange(20_000, 30_000)
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    raise OSError(f"no {count} free ports in a row")


async def measure(calls: int, workers: int, *, kill: bool) -> bool:
    async with Fleet(workers) as fleet:
        outcome = await set_up(fleet, calls, kill=0 if kill else None)
    ms = outcome.first_audio_ms
    sessions = f"{outcome.sessions}, at most {outcome.most_sessions_at_once} at once a call"
    cpu_s = sum(value for name, value in outcome.figures.items() if name.startswith("process_cpu_seconds"))
    rows = {
        f"{calls} calls over {workers} processes": f"all up after {outcome.seconds:.1f} s",
        "all gone": f"after {outcome.hang_up_seconds:.1f} s",
        "model sessions": sessions,
        "streams taken elsewhere": str(outcome.elsewhere),
        "start to first audio": f"p50 {ms[len(ms) // 2]:.0f} ms, p99 {ms[len(ms) * 99 // 100]:.0f} ms",
        "completed": str(outcome.completed),
        "CPU of the processes": f"{cpu_s:.1f} s, their starts included",
    }
    for name, value in rows.items():
        print(f"{name:<32}{value}")
    return outcome.completed == calls and outcome.most_sessions_at_once == 1


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--calls", type=int, default=1000)
    arguments.add_argument("--workers", type=int, default=4)
    arguments.add_argument("--kill", action="store_true", help="kill -9 one between webhooks and streams")
    options = arguments.parse_args()
    return 0 if asyncio.run(measure(options.calls, options.workers, kill=options.kill)) else 1


if __name__ == "__main__":
    sys.exit(main())
