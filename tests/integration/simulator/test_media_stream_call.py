"""A whole call against a small bridge: paced audio, marks, clear, keys, what comes after, what was heard."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from twilio.request_validator import RequestValidator

from simulator.audio import watermark
from simulator.audio.voice import tones
from simulator.network.call import SimulatedCall
from simulator.phones.behaviour import Behaviour, Line
from simulator.simulator import AUTH_TOKEN, Simulator
from simulator.timing import INSTANT, Timing

NUMBER, CALLER = "+12125550100", "+12125550123"
HANGS_UP = "<Response><Hangup/></Response>"


class Bridge:
    """Answers with what a test tells it to, and remembers all that it was sent."""

    def __init__(self) -> None:
        self.url = ""
        self.twiml: dict[str, str | int] = {}
        self.forms: list[tuple[str, dict[str, str]]] = []
        self.headers: list[dict[str, str]] = []
        self.messages: list[tuple[float, dict[str, Any]]] = []
        self.socket: web.WebSocketResponse | None = None
        self.stream_sid = ""
        self.on_message: Callable[[dict[str, Any]], Any] | None = None
        self.upgrade_status = 101

    async def webhook(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.forms.append((request.path, form))
        self.headers.append(dict(request.headers))
        answer = self.twiml.get(request.path, HANGS_UP)
        if isinstance(answer, int):
            return web.Response(status=answer)
        return web.Response(text=answer, content_type="text/xml")

    async def media(self, request: web.Request) -> web.StreamResponse:
        self.headers.append(dict(request.headers))
        if self.upgrade_status != 101:
            return web.Response(status=self.upgrade_status)
        socket = self.socket = web.WebSocketResponse()
        await socket.prepare(request)
        loop = asyncio.get_running_loop()
        async for text in socket:
            message = json.loads(text.data)
            self.messages.append((loop.time(), message))
            self.stream_sid = message.get("streamSid", "")
            if self.on_message:
                await self.on_message(message)
        return socket

    async def say(self, audio: bytes, *marks: str) -> None:
        assert self.socket is not None
        payload = base64.b64encode(audio).decode()
        await self.send({"event": "media", "streamSid": self.stream_sid, "media": {"payload": payload}})
        for mark in marks:
            await self.send({"event": "mark", "streamSid": self.stream_sid, "mark": {"name": mark}})

    async def send(self, message: object) -> None:
        assert self.socket is not None
        await self.socket.send_str(message if isinstance(message, str) else json.dumps(message))

    def received(self, event: str) -> list[dict[str, Any]]:
        return [message for _, message in self.messages if message["event"] == event]

    def connects(self, path: str = "/voice", action: str = "") -> None:
        url = self.url.replace("http", "ws") + "/media"
        attribute = f' action="{action}"' if action else ""
        self.twiml[path] = (
            f'<Response><Connect{attribute}><Stream url="{url}">'
            f'<Parameter name="token" value="t1"/></Stream></Connect>'
            f"<Redirect>/after</Redirect></Response>"
        )


@asynccontextmanager
async def practice(timing: Timing = INSTANT) -> AsyncGenerator[tuple[Simulator, Bridge]]:
    """A simulator, and a bridge that its first number calls."""
    bridge = Bridge()
    application = web.Application()
    application.router.add_get("/media", bridge.media)
    application.router.add_route("*", "/{path:.*}", bridge.webhook)
    runner = web.AppRunner(application, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    bridge.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with Simulator(timing=timing) as sim:
            number = sim.account.owned(NUMBER)
            assert number is not None
            number.voice_url = f"{bridge.url}/voice"
            number.status_callback = f"{bridge.url}/status"
            yield sim, bridge
    finally:
        await runner.cleanup()


def listens(**changes: Any) -> Behaviour:
    """Somebody who says nothing and waits for the agent to hang up."""
    return Behaviour(hangs_up="never", **changes)


async def started(sim: Simulator, behaviour: Behaviour | None = None) -> SimulatedCall:
    call = sim.network.place_call(CALLER, NUMBER, behaviour or listens())
    await call.wait_for("stream started")
    return call


async def test_a_spoken_call_is_heard_on_both_sides_and_paced_in_real_time() -> None:
    """The ear must hear exactly the bytes sent, and the bridge the caller's, 20 ms apart."""
    agent = watermark.embed(tones("Hello, this is the agent.", "agent"), "Hello, this is the agent.")
    async with practice() as (sim, bridge):
        bridge.connects()

        async def greet(message: dict[str, Any]) -> None:
            if message["event"] == "start":
                await bridge.say(agent, "g1")
            if message["event"] == "mark":
                bridge.messages.append((asyncio.get_running_loop().time(), {"event": "greeted"}))

        bridge.on_message = greet
        lines = (Line(say="I would like a table for two."),)
        call = await started(sim, Behaviour(lines=lines, patience_ms=300))
        ended = await call.wait_until_over()
    assert ended.data["status"] == "completed"
    assert ended.data["by"] == "caller"
    assert call.heard == ["Hello, this is the agent."]
    assert call.spoken == ["I would like a table for two."]
    start = bridge.received("start")[0]
    assert start["start"]["customParameters"] == {"token": "t1"}
    assert start["sequenceNumber"] == "1"
    media = bridge.received("media")
    assert [int(m["media"]["timestamp"]) for m in media] == [20 * n for n in range(1, len(media) + 1)]
    assert [int(m["media"]["chunk"]) for m in media] == list(range(1, len(media) + 1))
    caller = b"".join(base64.b64decode(m["media"]["payload"]) for m in media)
    assert watermark.read(caller) == "I would like a table for two."
    stream = call.streams[0]
    assert stream.playout.played_ms == len(agent) / 8
    assert call.line is not None
    assert agent in bytes(call.line.heard)
    times = [at for at, message in bridge.messages if message["event"] == "media"]
    assert times[-1] - times[0] == pytest.approx((len(times) - 1) * 0.02, abs=0.08)
    started_at = next(at for at, m in bridge.messages if m["event"] == "start")
    marked_at = next(at for at, m in bridge.messages if m["event"] == "mark")
    assert marked_at - started_at == pytest.approx(len(agent) / 8000, abs=0.08)


async def test_clear_returns_the_marks_at_once_and_the_truth_is_known() -> None:
    """What was played until the clear is what the bridge's truncation is measured against."""
    async with practice() as (sim, bridge):
        bridge.connects()
        second = b"\x20" * 8_000

        async def interrupted(message: dict[str, Any]) -> None:
            if message["event"] == "start":
                await bridge.say(second, "one")
                await bridge.say(second, "two")
            if message["event"] == "media" and message["media"]["timestamp"] == "400":
                await bridge.send({"event": "clear", "streamSid": bridge.stream_sid})
            if message["event"] == "mark" and message["mark"]["name"] == "two":
                assert bridge.socket is not None
                await bridge.socket.close()

        bridge.on_message = interrupted
        call = await started(sim)
        await call.wait_until_over()
    stream = call.streams[0]
    assert [(mark.name, mark.played) for mark in stream.marks] == [("one", False), ("two", False)]
    assert 360 <= stream.playout.played_ms <= 480
    assert stream.playout.played_ms * 8 + sum(span.length for span in stream.playout.cleared) == 16_000


async def test_the_network_takes_its_time_both_ways() -> None:
    """A mark on an empty buffer comes back after one way to Twilio and one way back."""
    async with practice(INSTANT.changed({"one_way_ms": 60})) as (sim, bridge):
        bridge.connects()
        loop = asyncio.get_running_loop()
        times: dict[str, float] = {}

        async def ask(message: dict[str, Any]) -> None:
            times[message["event"]] = loop.time()
            if message["event"] == "start":
                times["asked"] = loop.time()
                await bridge.send({"event": "mark", "streamSid": bridge.stream_sid, "mark": {"name": "m"}})
            if message["event"] == "mark":
                assert bridge.socket is not None
                await bridge.socket.close()

        bridge.on_message = ask
        call = await started(sim)
        await call.wait_until_over()
    assert times["mark"] - times["asked"] == pytest.approx(0.12, abs=0.04)


async def test_the_upgrade_and_each_webhook_bear_twilios_signature() -> None:
    """Checked by the twilio package's own validator, blank parameters included."""
    async with practice() as (sim, bridge):
        bridge.connects()
        bridge.twiml["/after"] = HANGS_UP
        call = await started(sim)
        assert bridge.socket is not None
        await bridge.socket.close()
        await call.wait_until_over()
        validator = RequestValidator(AUTH_TOKEN)
        voice, upgrade, after, status = bridge.headers
        for path, form, headers in (
            ("/voice", bridge.forms[0][1], voice),
            ("/after", bridge.forms[1][1], after),
            ("/status", bridge.forms[2][1], status),
        ):
            assert validator.validate(bridge.url + path, form, headers["X-Twilio-Signature"])
        media_url = bridge.url.replace("http", "ws") + "/media"
        assert validator.validate(media_url, {}, upgrade["x-twilio-signature"])
        assert bridge.forms[0][1]["FromCity"] == ""
        assert bridge.forms[0][1]["CallStatus"] == "ringing"
        assert bridge.forms[1][1]["CallStatus"] == "in-progress"
        assert bridge.forms[2][1]["CallStatus"] == "completed"


async def test_after_the_stream_comes_the_action_and_a_second_stream() -> None:
    """A dropped stream is resumed by what the action answers; the call goes on."""
    async with practice() as (sim, bridge):
        bridge.connects(action="/again")
        bridge.connects("/again", action="/bye")
        call = await started(sim)
        call.streams[0].fail("cut")
        await call.wait_for("stream started", count=2)
        assert bridge.socket is not None
        await bridge.socket.close()
        await call.wait_until_over()
    assert [stream.ended_by for stream in call.streams] == ["dropped", "server"]
    assert call.streams[0].sid != call.streams[1].sid
    assert [path for path, _ in bridge.forms] == ["/voice", "/again", "/bye", "/status"]
    assert bridge.received("stop") == []


async def test_a_caller_who_hangs_up_stops_the_stream_and_the_action_hears_completed() -> None:
    async with practice() as (sim, bridge):
        bridge.connects(action="/again")
        call = await started(sim)
        call.hang_up()
        ended = await call.wait_until_over()
    assert ended.data["by"] == "caller"
    assert bridge.messages[-1][1]["event"] == "stop"
    assert {path: form["CallStatus"] for path, form in bridge.forms}["/again"] == "completed"
    assert len(call.streams) == 1


async def test_keys_arrive_as_dtmf_and_nonsense_is_ignored_with_a_warning() -> None:
    async with practice() as (sim, bridge):
        bridge.connects()

        async def talk_nonsense(message: dict[str, Any]) -> None:
            if message["event"] == "start":
                await bridge.send("{")
                await bridge.send({"event": "media", "streamSid": "MZother", "media": {"payload": ""}})
                await bridge.send({"event": "dance", "streamSid": bridge.stream_sid})

        bridge.on_message = talk_nonsense
        call = await started(sim, Behaviour(lines=(Line(dtmf="12#", delay_ms=400),), hangs_up="after_lines"))
        await call.wait_until_over()
    assert [message["dtmf"]["digit"] for message in bridge.received("dtmf")] == ["1", "2", "#"]
    assert [warning[:5] for warning in call.streams[0].warnings] == ["31951"]


async def test_a_refused_upgrade_goes_on_with_the_next_verb() -> None:
    async with practice() as (sim, bridge):
        bridge.connects()
        bridge.upgrade_status = 403
        call = sim.network.place_call(CALLER, NUMBER, listens())
        refused = await call.wait_for("stream refused")
        await call.wait_until_over()
    assert refused.data["code"] == 31920
    assert [path for path, _ in bridge.forms] == ["/voice", "/after", "/status"]


async def test_a_webhook_that_fails_is_retried_as_its_fragment_asks_then_the_fallback_is_told() -> None:
    """The same idempotency token on each try; the fragment is neither sent nor signed."""
    async with practice() as (sim, bridge):
        number = sim.account.owned(NUMBER)
        assert number is not None
        number.voice_url += "#rc=2&rp=5xx&ct=1500&rt=4500"
        number.voice_fallback_url = f"{bridge.url}/fallback"
        bridge.twiml["/voice"] = 503
        call = sim.network.place_call(CALLER, NUMBER, listens())
        await call.wait_until_over()
    assert [path for path, _ in bridge.forms] == ["/voice", "/voice", "/voice", "/fallback", "/status"]
    assert len({headers["I-Twilio-Idempotency-Token"] for headers in bridge.headers[:3]}) == 1
    assert bridge.forms[3][1]["ErrorCode"] == "11200"
    assert bridge.forms[3][1]["ErrorUrl"] == f"{bridge.url}/voice"
    assert call.webhooks[0].tries == ["503", "503", "503"]


async def test_a_caller_hears_of_an_application_error_when_nothing_answers() -> None:
    async with practice() as (sim, bridge):
        bridge.twiml["/voice"] = "this is not TwiML"
        call = sim.network.place_call(CALLER, NUMBER, listens())
        await call.wait_until_over()
    assert call.heard[0].startswith("We are sorry, an application error")


async def test_dial_rings_another_phone_and_joins_the_two() -> None:
    """The fallback number: what one person says, the other hears, and the action learns how it ended."""
    async with practice() as (sim, bridge):
        bridge.twiml["/voice"] = (
            '<Response><Dial action="/dialled"><Number>+12125550177</Number></Dial></Response>'
        )
        sim.directory.phones["+12125550177"] = Behaviour(
            answers_after_ms=0, lines=(Line(say="Front desk, hello.", delay_ms=100),), hangs_up="after_answer"
        )
        call = sim.network.place_call(
            CALLER, NUMBER, Behaviour(lines=(Line(say="Hello there."),), hangs_up="never")
        )
        await call.wait_until_over()
        form = next(form for path, form in bridge.forms if path == "/dialled")
        other = sim.network.calls[form["DialCallSid"]]
    assert call.heard == ["Front desk, hello."]
    assert other.heard == ["Hello there."]
    assert form["DialCallStatus"] == "completed"
    assert other.record.parent_call_sid == call.sid


@pytest.mark.parametrize(("reason", "status"), [("busy", "busy"), ("rejected", "no-answer")])
async def test_a_rejected_call_is_never_answered(reason: str, status: str) -> None:
    async with practice() as (sim, bridge):
        bridge.twiml["/voice"] = f'<Response><Reject reason="{reason}"/></Response>'
        call = sim.network.place_call(CALLER, NUMBER, listens())
        ended = await call.wait_until_over()
    assert ended.data["status"] == status
    assert call.line is None
