"""Sockets that fail on request: what the other end sees of it, on both legs."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from simulator.model.handshake_faults import HandshakeFault
from simulator.network.call import Interruption, Source
from simulator.timing import INSTANT
from simulator.wire import SocketFault
from tests.integration.simulator.test_desk import desk_of
from tests.integration.simulator.test_media_stream_call import (
    CALLER,
    HANGS_UP,
    NUMBER,
    listens,
    practice,
    started,
)
from tests.integration.simulator.test_model_server import PHONE, plain, served


@pytest.mark.parametrize(
    ("fault", "code"), [("close", 1011), ("cut", 1006), ("reset", 1006), ("broken_frame", 1006)]
)
async def test_a_model_socket_ends_as_asked(fault: SocketFault, code: int) -> None:
    async with served() as (model, address), plain(address) as socket:
        await socket.recv()
        assert model.fail(fault) == 1
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        assert (closed.value.rcvd.code if closed.value.rcvd else 1006) == code
        await model.all_closed()


async def test_only_the_sessions_that_are_meant_are_struck() -> None:
    async with served() as (model, address), plain(address) as one, plain(address) as other:
        for socket, text in ((one, "Call of Ann."), (other, "Call of Bob.")):
            await socket.recv()
            await socket.send(
                json.dumps({"type": "session.update", "session": PHONE | {"instructions": text}})
            )
            await socket.recv()
        assert model.fail("close", about="of Bob") == 1
        with pytest.raises(ConnectionClosed):
            await other.recv()
        await (await one.ping())


async def test_a_model_in_a_black_hole_answers_no_ping_and_no_close() -> None:
    async with served() as (model, address):
        async with plain(address) as socket:
            socket.close_timeout = 0.2
            await socket.recv()
            model.fail("black_hole")
            await socket.send(json.dumps({"type": "response.create"}))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(await socket.ping(), 0.3)
        assert model.stats.open_sessions == 1, "it does not know"
        model.fail("reset")
        await model.all_closed()


async def test_connections_are_refused_by_status_and_hang() -> None:
    async with served() as (model, address):
        loop = asyncio.get_running_loop()
        model.handshake_faults.add(HandshakeFault(status=429), loop.time())
        model.handshake_faults.add(HandshakeFault(hang_s=0.3), loop.time())
        with pytest.raises(InvalidStatus) as refused:
            await plain(address)
        assert refused.value.response.status_code == 429
        began = loop.time()
        async with plain(address) as socket:
            await socket.recv()
        assert loop.time() - began >= 0.3
        await model.all_closed()


@pytest.mark.parametrize("fault", ["close", "cut", "reset", "broken_frame"])
async def test_a_media_socket_ends_and_the_call_goes_on_with_the_action(fault: SocketFault) -> None:
    async with practice() as (sim, bridge):
        bridge.connects(action="/again")
        bridge.connects("/again")
        call = await started(sim)
        call.streams[0].fail(fault)
        await call.wait_for("stream started", count=2)
        call.hang_up()
        await call.wait_until_over()
        assert [form["CallStatus"] for path, form in bridge.forms if path == "/again"] == ["in-progress"]
        assert bridge.received("stop")[0]["streamSid"] == call.streams[1].sid


async def test_a_dead_media_socket_is_noticed_by_twilio_after_a_while() -> None:
    """Meanwhile no frame comes and no pong; the call lives."""
    async with practice(INSTANT.changed({"notices_ms": 400})) as (sim, bridge):
        bridge.connects()
        call = await started(sim)
        call.streams[0].fail("black_hole")
        assert bridge.socket is not None
        frames = len(bridge.received("media"))
        await bridge.socket.ping()
        ended = await call.wait_for("stream ended")
        fault = call.story.all("fault")[0]
        assert 350 <= ended.at_ms - fault.at_ms <= 1500
        assert len(bridge.received("media")) <= frames + 1
        assert call.streams[0].error_code == 31903
        await call.wait_until_over()


async def test_new_twiml_takes_a_call_off_a_dead_media_socket_at_once() -> None:
    async with practice() as (sim, bridge):
        bridge.connects()
        bridge.connects("/moved")
        call = await started(sim)
        call.streams[0].fail("black_hole")
        call.interrupt(Interruption("rest", Source(f"{bridge.url}/moved")))
        await call.wait_for("stream started", count=2)
        assert [stream.live for stream in call.streams] == [False, True]
        assert bridge.received("stop") == []
        call.hang_up()
        await call.wait_until_over()


async def test_new_twiml_in_the_middle_of_a_stream_stops_it_first() -> None:
    async with practice() as (sim, bridge):
        bridge.connects(action="/never")
        bridge.connects("/moved")
        call = await started(sim)
        call.interrupt(Interruption("rest", Source(f"{bridge.url}/moved")))
        await call.wait_for("stream started", count=2)
        assert [message["streamSid"] for message in bridge.received("stop")] == [call.streams[0].sid]
        call.hang_up()
        await call.wait_until_over()
    assert [path for path, _ in bridge.forms] == ["/voice", "/moved", "/status"]


async def test_a_slow_reader_is_slow_and_then_reads_on() -> None:
    async with practice() as (sim, bridge):
        bridge.connects()
        returned = asyncio.Event()

        async def listen(message: dict[str, Any]) -> None:
            if message["event"] == "mark":
                returned.set()

        bridge.on_message = listen
        call = await started(sim)
        call.streams[0].fail("slow_reader", seconds=0.5)
        await bridge.send({"event": "mark", "streamSid": call.streams[0].sid, "mark": {"name": "m"}})
        await returned.wait()
        [mark] = [at for at, message in bridge.messages if message["event"] == "mark"]
        assert mark - bridge.messages[0][0] >= 0.4
        call.hang_up()
        await call.wait_until_over()


async def test_faults_are_asked_for_over_http() -> None:
    async with practice() as (sim, bridge), desk_of(sim) as desk:
        bridge.connects()
        bridge.twiml["/after"] = HANGS_UP
        async with desk.put("/simulator/faults", json={"refuse_streams": 1}) as answer:
            assert answer.status == 204
        refused = sim.network.place_call(CALLER, NUMBER, listens())
        assert (await refused.wait_for("stream refused")).data["code"] == 31920
        await refused.wait_until_over()
        call = await started(sim)
        path = f"/simulator/calls/{call.sid}/faults"
        async with desk.post(path, json={"fault": "cut"}) as answer:
            assert await answer.json() == {"streams": 1}
        await call.wait_until_over()
        async with desk.post(path, json={"fault": "bites"}) as answer:
            assert answer.status == 422
        async with desk.post("/simulator/model/handshakes", json={"status": 503, "seconds": 1}) as answer:
            assert answer.status == 204
        async with desk.post("/simulator/model/faults", json={"fault": "expire", "about": "Ann"}) as answer:
            assert await answer.json() == {"sessions": 0}
        async with desk.get("/simulator/model/sessions") as answer:
            assert await answer.json() == []
