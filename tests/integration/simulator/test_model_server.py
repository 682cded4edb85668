"""The pretend model behind a real socket, judged by OpenAI's own client."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus

from simulator.audio import mulaw, watermark
from simulator.model.reply import CallFunction, CloseSocket, Say, SendRaw
from simulator.model.script import Asked, Heard, Returned, Script, Step
from simulator.model.server import Address, VoiceModel, serve_model
from simulator.model.settings import ModelBehaviour, ModelTiming
from tests.unit.simulator.openai_types import check_server_event
from tests.unit.simulator.talk import voice

SWIFT = ModelTiming(connect_ms=0, first_audio_ms=10, speed=100, transcription_ms=5)
PHONE: Any = {
    "type": "realtime",
    "instructions": "We open at nine.",
    "audio": {
        "input": {
            "format": {"type": "audio/pcmu"},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 200},
            "transcription": {"model": "gpt-live-transcribe"},
        },
        "output": {"format": {"type": "audio/pcmu"}, "voice": "marin"},
    },
}


@asynccontextmanager
async def served(
    *, timing: ModelTiming = SWIFT, behaviour: ModelBehaviour | None = None
) -> AsyncGenerator[tuple[VoiceModel, Address]]:
    model = VoiceModel(voice, timing=timing, behaviour=behaviour)
    async with serve_model(model) as address:
        yield model, address


@asynccontextmanager
async def openai_connection(address: Address) -> AsyncGenerator[AsyncRealtimeConnection]:
    async with (
        AsyncOpenAI(api_key="sk-test", base_url=address.base_url) as client,
        client.realtime.connect(model="gpt-realtime-2.1") as connection,
    ):
        yield connection


def plain(address: Address, query: str = "?model=gpt-realtime-2.1", **headers: str) -> connect:
    """`max_queue` is off, because a client that does not read does not see the server's close either."""
    given = {"Authorization": "Bearer sk-test", **headers}
    url = address.realtime_url + query
    return connect(url, additional_headers=given, compression=None, max_queue=None)


async def until(connection: AsyncRealtimeConnection, event_type: str) -> dict[str, Any]:
    """The next event of that type; every event on the way is checked."""
    while True:
        event = json.loads(await connection.recv_bytes())
        check_server_event(event)
        if event["type"] == event_type:
            return event


async def test_openais_own_client_holds_a_conversation() -> None:
    async with served() as (model, address):
        model.script(
            Script(
                Step(Asked("greet"), Say("Hello!")),
                Step(Heard("Where is order 7?"), Say("One moment."), CallFunction("lookup", {"id": 7})),
                Step(Returned("lookup", "shipped"), Say("It is on its way.")),
            )
        )
        async with openai_connection(address) as connection:
            await until(connection, "session.created")
            await connection.session.update(session=PHONE)
            updated = await until(connection, "session.updated")
            assert updated["session"]["audio"]["input"]["format"] == {"type": "audio/pcmu"}
            await connection.response.create(response={"instructions": "greet the caller"})
            assert (await until(connection, "response.done"))["response"]["status"] == "completed"
            question = watermark.embed(voice("Where is order 7?"), "Where is order 7?") + mulaw.silence(300)
            for start in range(0, len(question), 160):
                frame = base64.b64encode(question[start : start + 160]).decode()
                await connection.input_audio_buffer.append(audio=frame)
            heard = await until(connection, "conversation.item.input_audio_transcription.completed")
            assert heard["transcript"] == "Where is order 7?"
            call = await until(connection, "response.function_call_arguments.done")
            await until(connection, "response.done")
            await connection.conversation.item.create(
                item={"type": "function_call_output", "call_id": call["call_id"], "output": "shipped"}
            )
            await connection.response.create()
            said = await until(connection, "response.output_audio_transcript.done")
            assert said["transcript"] == "It is on its way."
            await until(connection, "rate_limits.updated")
            assert model.stats.open_sessions == 1
        await model.all_closed()
        assert model.problems == []
        [session] = model.stats.sessions
        assert (session.responses, session.heard, session.close_code) == (3, ["Where is order 7?"], 1000)
        assert session.appended_ms == 17 * 60 + 300
        assert (model.stats.open_sessions, model.stats.total_sessions, model.stats.errors_sent) == (0, 1, 0)


async def test_the_practice_brain_answers_without_a_script() -> None:
    async with served() as (model, address), openai_connection(address) as connection:
        await connection.session.update(session=PHONE)
        await connection.conversation.item.create(
            item={
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "When do you open?"}],
            }
        )
        await connection.response.create()
        said = await until(connection, "response.output_audio_transcript.done")
        assert said["transcript"] == "We open at nine."
        assert model.problems == []


async def test_leftovers_and_unused_scripts_are_problems() -> None:
    async with served() as (model, address):
        model.script(Script(Step(Asked(), Say("Hi."))))
        model.script(Script())
        async with plain(address) as socket:
            await socket.recv()
        await model.all_closed()
        assert model.problems == [
            "session 1: step 1: never happened: Asked(instructions=None)",
            "a script was never used: no session came",
        ]
        model.forget()
        assert model.problems == []


async def test_forgetting_leaves_open_sessions_alone() -> None:
    async with served() as (model, address):
        async with plain(address) as first:
            await first.recv()
        await model.all_closed()
        async with plain(address) as second:
            await second.recv()
            model.forget()
            async with plain(address) as third:
                await third.recv()
                assert (model.stats.open_sessions, model.stats.total_sessions) == (2, 2)
        await model.all_closed()
        assert (model.stats.open_sessions, model.problems) == (0, [])


async def close_of(socket: ClientConnection) -> tuple[list[dict[str, Any]], int, str]:
    """Events until the close, its code and reason."""
    events: list[dict[str, Any]] = []
    try:
        while True:
            events.append(json.loads(await socket.recv()))
    except ConnectionClosed as closed:
        assert closed.rcvd is not None
        return events, closed.rcvd.code, closed.rcvd.reason


@pytest.mark.parametrize(
    ("query", "headers", "code", "close"),
    [
        ("?model=gpt-realtime-2.1", {"OpenAI-Beta": "realtime=v1"}, "beta_api_shape_disabled", 4000),
        ("?model=gpt-9", {}, "invalid_model", 4000),
        ("?model=gpt-4o-realtime-preview", {}, "invalid_model", 4000),
        ("", {}, "invalid_model", 4000),
        ("?intent=transcription", {}, "invalid_intent", 4000),
        ("?model=gpt-realtime-2.1", {"Authorization": "Bearer sk-wrong"}, "invalid_api_key", 3000),
        ("?model=gpt-realtime-2.1", {"Authorization": "Basic x"}, "invalid_api_key", 3000),
    ],
)
async def test_a_refused_connection_hears_why(
    query: str, headers: dict[str, str], code: str, close: int
) -> None:
    behaviour = ModelBehaviour(api_keys=frozenset({"sk-test"}))
    async with served(behaviour=behaviour) as (model, address), plain(address, query, **headers) as socket:
        [event], close_code, reason = await close_of(socket)
        check_server_event(event)
        assert event["error"]["code"] == code
        assert (close_code, reason) == (close, f"invalid_request_error.{code}")
        assert (model.stats.total_sessions, model.stats.refused) == (0, 1)


async def test_a_bad_key_may_be_refused_at_the_upgrade() -> None:
    behaviour = ModelBehaviour(api_keys=frozenset({"other"}), refuse_key_by="status")
    async with served(behaviour=behaviour) as (_, address):
        with pytest.raises(InvalidStatus) as refused:
            async with plain(address):
                pass
        assert refused.value.response.status_code == 401
        assert json.loads(refused.value.response.body)["error"]["code"] == "invalid_api_key"


async def test_connecting_takes_its_time() -> None:
    loop = asyncio.get_running_loop()
    timing = ModelTiming(connect_ms=120)
    async with served(timing=timing) as (_, address):
        began = loop.time()
        async with plain(address):
            assert loop.time() - began >= 0.12


async def test_an_abrupt_end_has_no_close_frame() -> None:
    async with served() as (model, address):
        model.script(Script(Step(Asked(), CloseSocket(1006))))
        async with plain(address) as socket:
            await socket.send('{"type": "response.create"}')
            with pytest.raises(ConnectionClosedError) as ended:
                while True:
                    await socket.recv()
            assert ended.value.rcvd is None
        await model.all_closed()
        assert model.stats.sessions[0].close_code == 1006


async def test_an_expired_session_is_closed_with_1001() -> None:
    async with (
        served(timing=ModelTiming(connect_ms=0, session_limit_s=0.06)) as (_, address),
        plain(address) as socket,
    ):
        events, code, reason = await close_of(socket)
        assert events[-1]["error"]["code"] == "session_expired"
        assert (code, reason) == (1001, events[-1]["error"]["message"])


async def test_nothing_a_client_sends_stops_the_server() -> None:
    async with served() as (model, address):
        async with plain(address) as socket:
            await socket.recv()
            for frame in ("", "{", b"\xff\xfe", "[1]", json.dumps({"type": "x" * 1_000_000})):
                await socket.send(frame)
                assert json.loads(await socket.recv())["type"] == "error"
        async with plain(address) as socket:
            with contextlib.suppress(ConnectionClosed):
                await socket.send("x" * 25 * 1024 * 1024)
            _, code, _ = await close_of(socket)
            assert code == 1009
        async with plain(address) as socket:
            assert json.loads(await socket.recv())["type"] == "session.created"
        await model.all_closed()
        assert model.stats.open_sessions == 0
        assert model.stats.sessions[-1].close_code == 1000


async def test_a_server_that_goes_away_says_so() -> None:
    async with served() as (model, address), plain(address) as socket:
        await socket.recv()
        await model.close()
        assert (await close_of(socket))[1] == 1001


async def test_raw_frames_reach_the_client_as_they_are() -> None:
    async with served() as (model, address):
        model.script(Script(Step(Asked(), SendRaw('{"type":"from.the.future"}'))))
        async with plain(address) as socket:
            await socket.send('{"type": "response.create"}')
            frames = [await socket.recv() for _ in range(4)]
            assert '{"type":"from.the.future"}' in frames


async def test_many_sessions_talk_at_once() -> None:
    """A load test's fifty callers must not wait for each other."""

    async def call(number: int, address: Address) -> str:
        async with plain(address) as socket:
            await socket.send(json.dumps({"type": "session.update", "session": PHONE}))
            text = f"Say something about {number}"
            audio = watermark.embed(voice(text), text) + mulaw.silence(300)
            for start in range(0, len(audio), 160):
                payload = base64.b64encode(audio[start : start + 160]).decode()
                await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": payload}))
            while True:
                event = json.loads(await socket.recv())
                if event["type"] == "conversation.item.input_audio_transcription.completed":
                    return event["transcript"]

    async with served() as (model, address):
        heard = await asyncio.gather(*(call(number, address) for number in range(50)))
        assert heard == [f"Say something about {number}" for number in range(50)]
        await model.all_closed()
        assert (model.stats.total_sessions, model.stats.open_sessions) == (50, 0)
