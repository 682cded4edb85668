"""A whole Callbridge on a loopback port beside the simulator, in the test's own event loop."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import pytest
import uvicorn

from server.app import create_app
from server.parts import Parts
from server.settings import Settings
from server.worker import uvicorn_config
from simulator.model.settings import ModelTiming
from simulator.network.call import SimulatedCall
from simulator.phones.behaviour import Behaviour, Line
from simulator.simulator import ACCOUNT_SID, AUTH_TOKEN, Simulator
from simulator.timing import Timing
from tests.connect_proxy import ConnectProxy

ADMIN_KEY = "an-admin-key-of-the-tests"
MODEL_KEY = "a-model-key-of-the-tests"
CALLER = "+12125550150"

BOTH_WAYS = pytest.mark.parametrize(
    "callbridge", [True, False], indirect=True, ids=["own sockets", "over ASGI and a proxy"]
)
"""A call sounds the same on sockets of its own as where it cannot have them."""

QUICK = Timing(
    rest_ms=0,
    webhook_ms=5,
    calls_per_second=1000,
    dial_ms=10,
    stream_setup_ms=20,
    one_way_ms=10,
    jitter_buffer_ms=40,
)
QUICK_MODEL = ModelTiming(connect_ms=20, first_audio_ms=60, transcription_ms=60)


class Harness:
    def __init__(
        self,
        database_url: str,
        data_dir: Path,
        *,
        timing: Timing = QUICK,
        model_timing: ModelTiming = QUICK_MODEL,
        taken_over: bool = True,
        **environ: str,
    ) -> None:
        """`taken_over`: media sockets are, from uvicorn, as in production; otherwise calls run over ASGI, and
        the model is reached through a proxy."""
        self._taken_over = taken_over
        self._database_url = database_url
        self._data_dir = data_dir
        self._environ = environ
        self._proxy = ConnectProxy()
        self.sim = Simulator(openai_api_key=MODEL_KEY, timing=timing, model_timing=model_timing)

    async def __aenter__(self) -> Harness:
        await self.sim.__aenter__()
        await self._proxy.__aenter__()
        self._tasks_before = asyncio.all_tasks()
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        settings = Settings.from_env(
            {
                "DATABASE_URL": self._database_url,
                "DATA_DIR": str(self._data_dir),
                "PUBLIC_URL": self.url,
                "ADMIN_API_KEY": ADMIN_KEY,
                "SECRET_KEY": "a-secret-key-of-the-tests-0123456789",
                "OPENAI_API_KEY": MODEL_KEY,
                "OPENAI_BASE_URL": self.sim.openai_base_url,
                "OPENAI_PROXY": "" if self._taken_over else self._proxy.url,
                "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
                "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
                "TWILIO_API_BASE_URL": self.sim.url,
                "DRAIN_SECONDS": "0",
                **self._environ,
            },
            mode="serve",
        )
        self.parts = Parts(settings, "0")
        app = create_app(self.parts)
        config = uvicorn_config(app, host="127.0.0.1", port=port, loop="none")
        if not self._taken_over:
            config.ws = "websockets-sansio"
        self.server = uvicorn.Server(config)
        self.server.config.load()
        self._serving = asyncio.create_task(self.server._serve([listener]))
        while not self.server.started:
            if self._serving.done():
                self._serving.result()
            await asyncio.sleep(0)
        self.api = httpx.AsyncClient(
            base_url=self.url, headers={"Authorization": f"Bearer {ADMIN_KEY}"}, timeout=20
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.api.aclose()
        await self.parts.drain()
        self.server.should_exit = True
        await self._serving
        assert self._taken_over or self._proxy.asked or not self.sim.model.stats.sessions
        await self._proxy.__aexit__(kind, error, trace)
        await self.sim.__aexit__(kind, error, trace)

    # What an operator does

    async def agent(self, **fields: Any) -> str:
        """Makes an agent; returns its id."""
        body = {
            "name": "Reception",
            "prompt": "You answer the phone. We are open from nine to five.",
        } | fields
        answer = await self.api.post("/v1/agents", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    async def number(self, agent_id: str, number: str | None = None) -> str:
        """Has a number of the practice account answered by the agent; returns it."""
        number = number or next(iter(self.sim.account.numbers.values())).phone_number
        answer = await self.api.post("/v1/phone-numbers", json={"number": number, "agent_id": agent_id})
        assert answer.status_code == 201, answer.text
        return number

    async def call_row(self, call_sid: str) -> dict[str, Any]:
        answer = await self.api.get("/v1/calls")
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()["items"]
        return next(row for row in rows if row["twilio_call_sid"] == call_sid)

    async def ended(self, call: SimulatedCall) -> dict[str, Any]:
        """The call's row once the call is over, on both sides."""
        await call.wait_until_over(60)
        row = await self.call_row(call.sid)
        await self.event(row["id"], "call.ended")
        return await self.call_row(call.sid)

    async def event(self, call_id: str, type_: str) -> dict[str, Any]:
        """Follows the call's events until this one; the last one of it so far."""
        headers = {"Accept": "text/event-stream"}
        async with (
            asyncio.timeout(30),
            self.api.stream("GET", f"/v1/calls/{call_id}/events", headers=headers) as events,
        ):
            async for line in events.aiter_lines():
                if line.startswith("data:"):
                    event = json.loads(line.removeprefix("data:"))
                    if event["type"] == type_:
                        return event
        raise LookupError(f"{type_} never happened")

    async def transcript(self, call_id: str) -> list[tuple[str, str]]:
        answer = await self.api.get(f"/v1/calls/{call_id}/transcript")
        return [(item["role"], item["text"]) for item in answer.json()["items"]]

    async def events(self, call_id: str) -> list[dict[str, Any]]:
        answer = await self.api.get(f"/v1/calls/{call_id}/events", params={"limit": 100})
        return answer.json()["items"]

    # What a caller does

    def dial(self, number: str, *lines: str | Line, **behaviour: Any) -> SimulatedCall:
        said = tuple(Line(say=line) if isinstance(line, str) else line for line in lines)
        return self.sim.network.place_call(CALLER, number, Behaviour(lines=said, **behaviour))

    async def nothing_is_left(self) -> None:
        """No call, model session or task remains of the calls that were."""
        async with asyncio.timeout(5):
            await self.sim.model.all_closed()
            await self.parts.live_calls.all_released()
        assert self.sim.model.stats.open_sessions == 0
