"""The desk by HTTP, and `callbridge simulate call` on top of it."""

from __future__ import annotations

import asyncio
import io
import json
import wave
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from click.testing import CliRunner, Result

from cli.simulate import simulate
from server.data_dir import DataDir, RunningServer
from simulator.simulator import ACCOUNT_SID, AUTH_TOKEN, Simulator
from simulator.timing import INSTANT
from tests.integration.simulator.test_media_stream_call import NUMBER, practice

SAYS = '<Response><Say>Welcome to Harbour Books.</Say><Pause length="2"/></Response>'


@asynccontextmanager
async def desk_of(sim: Simulator) -> AsyncGenerator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(sim.url) as session:
        yield session


async def test_a_call_is_placed_followed_and_recorded_over_http() -> None:
    async with practice() as (sim, bridge), desk_of(sim) as desk:
        bridge.twiml["/voice"] = SAYS
        asked = {"to": NUMBER, "say": ["Hello."], "hangs_up": "after_lines"}
        async with desk.post("/simulator/calls", json=asked) as answer:
            assert answer.status == 201
            sid = (await answer.json())["call_sid"]
        async with desk.get(f"/simulator/calls/{sid}/events") as events:
            moments = [json.loads(line) async for line in events.content]
        async with desk.get(f"/simulator/calls/{sid}/audio.wav") as audio:
            recorded = await audio.read()
        async with desk.get("/simulator/state") as state:
            assert NUMBER in [one["number"] for one in (await state.json())["numbers"]]
    types = [moment["type"] for moment in moments]
    assert types[:3] == ["ringing", "webhook", "twiml"]
    assert "answered" in types
    assert types[-1] == "ended"
    assert {"agent stopped speaking", "caller started speaking"} <= set(types)
    assert moments[types.index("agent stopped speaking")]["text"] == "Welcome to Harbour Books."
    with wave.open(io.BytesIO(recorded)) as wav:
        assert wav.getnchannels() == 2
        assert wav.getnframes() > 8_000


async def test_a_fault_that_is_asked_for_happens_once() -> None:
    async with practice() as (sim, _bridge), desk_of(sim) as desk:
        fault = {"path": "/Calls", "status": 500}
        async with desk.put("/simulator/faults", json={"rest": [fault]}) as answer:
            assert answer.status == 204
        calls = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Calls.json"
        account = {"Authorization": aiohttp.encode_basic_auth(ACCOUNT_SID, AUTH_TOKEN)}
        seen: list[int] = []
        for _ in range(2):
            async with desk.post(calls, data={}, headers=account) as refused:
                seen.append(refused.status)
    assert seen == [500, 400]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "calls", {"to": "+12125550177"}),
        ("POST", "calls", {"to": NUMBER, "says": ["Hi"]}),
        ("POST", "calls", {"to": NUMBER, "wav": "bm8gd2F2"}),
        ("POST", "calls", {"to": NUMBER, "dtmf": "A"}),
        ("PUT", "phones/+12125550177", {"pick_up": "sings"}),
        ("PUT", "timing", {"network": {"one_way": 1}}),
        ("PUT", "timing", {"model": {"speed": 0}}),
        ("PUT", "timing", {"models": {}}),
        ("PUT", "faults", {"duplicate": True}),
        ("POST", "model/script", [{"hears": "Hi"}]),
        ("POST", "model/script", "nonsense"),
    ],
)
async def test_bad_input_is_answered_with_what_is_wrong(method: str, path: str, body: object) -> None:
    async with (
        Simulator(timing=INSTANT) as sim,
        desk_of(sim) as desk,
        desk.request(method, f"/simulator/{path}", json=body) as answer,
    ):
        assert answer.status == 422
        assert len((await answer.json())["error"]) > 10


async def test_phones_and_timing_change_while_it_runs() -> None:
    async with Simulator(timing=INSTANT) as sim, desk_of(sim) as desk:
        await (await desk.put("/simulator/phones/+12125550177", json={"pick_up": "busy"})).release()
        values = {"network": {"one_way_ms": 150}, "model": {"first_audio_ms": 5}}
        await (await desk.put("/simulator/timing", json=values)).release()
        assert sim.directory.behaviour_of("+12125550177").pick_up == "busy"
        assert sim.equipment.timing.one_way_ms == 150
        assert sim.model.timing.first_audio_ms == 5


@asynccontextmanager
async def running_server(
    sim_url: str, directory: Path, records: Callable[[], list[dict[str, Any]]]
) -> AsyncGenerator[None]:
    """What the command finds in DATA_DIR, and an API that has these records of calls."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"items": records(), "next_cursor": None})

    application = web.Application()
    application.router.add_get("/v1/calls", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    DataDir(directory).write_running(
        RunningServer(
            mode="dev",
            pid=1,
            url=url,
            workers=[url],
            public_url=url,
            api_key="cb_test",
            simulator_url=sim_url,
        )
    )
    try:
        yield
    finally:
        await runner.cleanup()


async def command(directory: Path, *arguments: str) -> Result:
    runner = CliRunner(env={"DATA_DIR": str(directory)})
    return await asyncio.to_thread(runner.invoke, simulate, ["call", *arguments])


async def test_the_command_prints_the_conversation_and_saves_it(tmp_path: Path) -> None:
    async with practice() as (sim, bridge):
        bridge.twiml["/voice"] = SAYS

        def records() -> list[dict[str, Any]]:
            latency = {"response_p50_ms": 800, "response_p95_ms": 950}
            known = {"id": "call_1", "ended_reason": "caller_hung_up", "latency": latency}
            return [known | {"twilio_call_sid": sid} for sid in sim.network.calls]

        async with running_server(sim.url, tmp_path, records):
            saved = tmp_path / "saved" / "call.wav"
            result = await command(
                tmp_path, "--to", NUMBER, "--say", "When do you open?", "--save", str(saved)
            )
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert any("agent" in line and "Welcome to Harbour Books." in line for line in lines)
    assert any("caller" in line and "When do you open?" in line for line in lines)
    assert "caller_hung_up" in result.output
    assert "half within 800 ms" in result.output
    with wave.open(str(saved)) as wav:
        assert wav.getnchannels() == 2


async def test_the_command_says_what_to_do_when_it_cannot_call(tmp_path: Path) -> None:
    """No server; a real Twilio; a number that is not ours; a number that nobody answers."""
    nothing = await command(tmp_path / "empty", "--to", NUMBER)
    async with Simulator(timing=INSTANT) as sim:
        async with running_server("", tmp_path, list):
            real = await command(tmp_path, "--to", NUMBER)
        async with running_server(sim.url, tmp_path, list):
            foreign = await command(tmp_path, "--to", "+12125550177")
            unanswered = await command(tmp_path, "--to", NUMBER)
    assert "callbridge dev" in nothing.output
    assert "Twilio is real" in real.output
    assert "does not own +12125550177" in foreign.output
    assert "callbridge numbers add" in unanswered.output
    assert [result.exit_code for result in (nothing, real, foreign, unanswered)] == [1, 1, 1, 1]
