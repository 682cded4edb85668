"""Twilio's door on a real socket, with a real Postgres behind it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import socket
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit
from xml.etree import ElementTree

import httpx
import msgspec
import pytest
import uvicorn
from litestar import Litestar
from litestar.di import Provide
from sqlalchemy import select
from twilio.request_validator import RequestValidator
from websockets.asyncio.client import ClientConnection, connect

from bridge.call.agent import AgentConfig
from bridge.call.past import Past
from bridge.runtime.known_numbers import KnownNumbers
from bridge.runtime.live_calls import LiveCalls
from bridge.runtime.model_leg import ModelOptions
from bridge.runtime.phone_leg import MAX_MESSAGE_BYTES
from bridge.runtime.stream_token import StreamTokens
from bridge.runtime.streams import Streams
from bridge.runtime.tool_runner import ToolRunner
from bridge.runtime.transfers import Transfers
from bridge.web.routes import ROUTES
from bridge.web.signature import Signatures
from bridge.web.take_over import HttpProtocol, MediaProtocol
from bridge.web.without_postgres import WithoutPostgres
from database import agents
from database.models import Call, CallEvent, PhoneNumber, TranscriptLine
from database.notifications import Notifications
from database.secret_box import SecretBox
from database.session import Database
from outgoing.address_guard import AddressGuard
from outgoing.signing_secret import tool_signing_secrets
from outgoing.tool_requests import ToolRequests
from telephony.addresses import Addresses
from tests.integration.bridge.fakes import Model, ScriptedCall, TwilioOnPaper

AUTH_TOKEN = "twilio-auth-token"
NUMBER = "+15550001111"
CALLER = "+15552223333"
SECRET_KEY = "a secret of sixteen"


class QuietServer(uvicorn.Server):
    """Leaves signals to pytest, and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class Door:
    """The server under test, and a Twilio's way of talking to it."""

    def __init__(
        self,
        database: Database,
        database_url: str,
        model: Model,
        *,
        taken_over: bool = True,
        **live_options: Any,
    ) -> None:
        self.taken_over = taken_over
        self.database = database
        self.model = model
        self.twilio = TwilioOnPaper()
        self.notifications = Notifications(database_url)
        self.tool_requests = ToolRequests(
            AddressGuard(), signing_secrets=tool_signing_secrets([SECRET_KEY]), user_agent="Callbridge/test"
        )
        self.calls: list[ScriptedCall] = []
        self.prepare: Callable[[ScriptedCall], object] = lambda _: None
        """What a test makes of each new call."""
        self._has_calls = asyncio.Event()
        options: dict[str, Any] = {
            "slot": "0",
            "max_calls": 5,
            "drain_seconds": 0.0,
            "taken_seconds": 0.0,
            "new_call": self._new_call,
            **live_options,
        }
        self.addresses = Addresses("http://not-yet")
        self.known_numbers = KnownNumbers(database)
        self.streams = Streams(database, self.twilio, self.addresses, StreamTokens([SECRET_KEY]))
        self.live_calls = LiveCalls(
            database=database,
            notifications=self.notifications,
            twilio=self.twilio,
            model=ModelOptions(base_url=model.base_url, api_key="sk-secret"),
            tools=ToolRunner(self.tool_requests, SecretBox([SECRET_KEY])),
            transfers=Transfers(database, self.twilio, Addresses("https://callbridge.example")),
            streams=self.streams,
            **options,
        )
        self.base_url = ""
        self.public_url = ""
        """By default its own address."""

    def _new_call(self, _agent: object, _max_call_seconds: object, past: Past | None) -> ScriptedCall:
        call = ScriptedCall()
        call.past = past
        self.prepare(call)
        self.calls.append(call)
        self._has_calls.set()
        return call

    async def first_call(self) -> ScriptedCall:
        await self._has_calls.wait()
        return self.calls[0]

    async def start(self) -> None:
        await self.notifications.start()
        self.live_calls.start()
        await asyncio.sleep(0)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            self._make_app(),
            log_config=None,
            lifespan="off",
            http=HttpProtocol,
            ws=MediaProtocol if self.taken_over else "websockets-sansio",
            ws_per_message_deflate=False,
            ws_max_size=MAX_MESSAGE_BYTES,
            timeout_graceful_shutdown=5,
        )
        self._server = QuietServer(config)
        self._serving = asyncio.create_task(self._server.serve([self._socket]))
        await self._server.listening.wait()
        self._http = httpx.AsyncClient(base_url=self.base_url, trust_env=False, timeout=10)

    async def stop(self) -> None:
        await self.live_calls.aclose()
        await self.tool_requests.close()
        await self._http.aclose()
        self._server.should_exit = True
        await self._serving
        await self.notifications.stop()

    def _make_app(self) -> Litestar:
        self.addresses.public_url = self.public_url or self.base_url
        parts = {
            "database": self.database,
            "notifications": self.notifications,
            "addresses": self.addresses,
            "twilio": self.twilio,
            "live_calls": self.live_calls,
            "signatures": Signatures(self.public_url or self.base_url, [AUTH_TOKEN]),
            "stream_tokens": StreamTokens([SECRET_KEY]),
            "streams": self.streams,
            "without_postgres": WithoutPostgres(self.known_numbers, self.live_calls, self.streams),
        }

        def always(part: Any) -> Any:
            return lambda: part

        return Litestar(
            ROUTES,
            dependencies={name: Provide(always(part), sync_to_thread=False) for name, part in parts.items()},
            logging_config=None,
            openapi_config=None,
        )

    # As Twilio

    async def post(self, path: str, *, token: str = AUTH_TOKEN, **form: str) -> httpx.Response:
        signature = RequestValidator(token).compute_signature((self.public_url or self.base_url) + path, form)
        return await self._http.post(
            path,
            content=urlencode(form),
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                "X-Twilio-Signature": signature,
            },
        )

    async def ring(self, call_sid: str = "CA1", **form: str) -> Answer:
        """A call comes in; returns what it is answered with."""
        facts = {"CallSid": call_sid, "From": CALLER, "To": NUMBER, "CallStatus": "ringing", **form}
        response = await self.post("/twilio/voice", **facts)
        for _ in range(2):  # as the address's fragment has Twilio do
            if response.status_code == 503:
                response = await self.post("/twilio/voice", **facts)
        assert response.status_code == 200, response.text
        assert response.headers["content-type"].startswith("application/xml")
        return Answer(response.text)

    @contextlib.asynccontextmanager
    async def stream(
        self,
        answer: Answer,
        call_sid: str = "CA1",
        *,
        auth_token: str = AUTH_TOKEN,
        first: str | bytes | None = None,
        token: str | None = None,
    ) -> AsyncGenerator[ClientConnection]:
        """Open the media socket as far as `start`; `first` is sent in place of that."""
        signature = RequestValidator(auth_token).compute_signature(answer.stream_url, {})
        async with connect(
            answer.connect_to or answer.stream_url,
            additional_headers={"x-twilio-signature": signature},
            compression=None,
            proxy=None,
            close_timeout=1,
        ) as media:
            await media.send('{"event":"connected","protocol":"Call","version":"1.0.0"}')
            await media.send(start(call_sid, token or answer.token) if first is None else first)
            yield media

    # As an operator

    async def row(self, call_sid: str = "CA1") -> Call:
        async with self.database.session() as session:
            return (await session.scalars(select(Call).where(Call.twilio_call_sid == call_sid))).one()

    async def event_types(self, call_id: str) -> list[str]:
        async with self.database.session() as session:
            query = select(CallEvent.type).where(CallEvent.call_id == call_id).order_by(CallEvent.id)
            return list((await session.scalars(query)).all())

    async def lines(self, call_id: str) -> Sequence[TranscriptLine]:
        async with self.database.session() as session:
            query = select(TranscriptLine).where(TranscriptLine.call_id == call_id)
            return (await session.scalars(query.order_by(TranscriptLine.position))).all()

    async def settled(self) -> None:
        """No call is held and no task of one is left."""
        async with asyncio.timeout(10):
            await self.live_calls._errands.all_done()
        assert self.live_calls.count == 0


class Answer:
    """TwiML as Twilio reads it. `host`: where a proxy takes its stream."""

    def __init__(self, document: str, host: str | None = None) -> None:
        self.document = document
        self.host = host
        self.root = ElementTree.fromstring(document)  # noqa: S314 (our own document)

    @property
    def verbs(self) -> list[str]:
        return [element.tag for element in self.root]

    @property
    def stream_url(self) -> str:
        return self._stream.attrib["url"]

    @property
    def connect_to(self) -> str | None:
        parts = urlsplit(self.stream_url)
        return None if self.host is None else f"{parts.scheme}://{self.host}{parts.path}"

    @property
    def token(self) -> str:
        return self._stream[0].attrib["value"]

    @property
    def after_stream(self) -> str:
        """The path of `action`."""
        address = self.root[0].attrib["action"]
        return "/" + address.split("/", 3)[3].partition("#")[0]

    @property
    def _stream(self) -> ElementTree.Element:
        return self.root[0][0]


def start(call_sid: str, token: str, stream_sid: str = "MZ1") -> str:
    return msgspec.json.encode(
        {
            "event": "start",
            "sequenceNumber": "1",
            "streamSid": stream_sid,
            "start": {
                "accountSid": "AC1",
                "streamSid": stream_sid,
                "callSid": call_sid,
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": {"token": token},
            },
        }
    ).decode()


STOP = '{"event":"stop","sequenceNumber":"9","stop":{"accountSid":"AC1","callSid":"CA1"},"streamSid":"MZ1"}'
MEDIA = '{"event":"media","sequenceNumber":"2","media":{"track":"inbound","chunk":"1","timestamp":"20","payload":"/w=="},"streamSid":"MZ1"}'  # noqa: E501


BOTH_WAYS = pytest.mark.parametrize(
    "door", [{}, {"taken_over": False}], indirect=True, ids=["taken over", "over ASGI"]
)
PATIENT = pytest.mark.parametrize("door", [{"taken_seconds": 10.0}], indirect=True, ids=["patient"])
"""Where a call is given away, and not just left behind at the end of a test."""
"""What holds for a call holds on its own socket and over ASGI."""


@pytest.fixture
async def model() -> AsyncGenerator[Model]:
    model = Model()
    await model.start()
    yield model
    await model.stop()


async def make_agent(database: Database) -> str:
    """An agent that answers NUMBER."""
    config = AgentConfig(name="Reception", prompt="You answer the phone.", fallback_number="+15559998888")
    async with database.session.begin() as session:
        agent = await agents.create_agent(session, config)
        session.add(PhoneNumber(id="number_1", number=NUMBER, agent_id=agent.id))
    return agent.id


@pytest.fixture
async def agent_id(database: Database) -> str:
    return await make_agent(database)


@pytest.fixture
async def door(
    request: pytest.FixtureRequest, database: Database, database_url: str, model: Model, agent_id: str
) -> AsyncGenerator[Door]:
    """Its media sockets are taken over from uvicorn, unless BOTH_WAYS says otherwise."""
    door = Door(database, database_url, model, **getattr(request, "param", {}))
    await door.start()
    tasks_before = asyncio.all_tasks()
    yield door
    await door.stop()
    assert bool(door.live_calls.counters.streams_over_asgi) <= (not door.taken_over)
    await model.until(lambda: model.open_sessions == 0)
    left = {task for task in asyncio.all_tasks() - tasks_before if not task.done()}
    assert not {task.get_name() for task in left if "leg" in task.get_name()}


async def another(
    door: Door, database: Database, database_url: str, model: Model, slot: str
) -> AsyncGenerator[Door]:
    """One more process at the address that Twilio knows."""
    other = Door(database, database_url, model, slot=slot)
    other.public_url = door.base_url
    await other.start()
    await door.notifications.connected.wait()
    await other.notifications.connected.wait()
    yield other
    await other.stop()


@pytest.fixture
async def other(door: Door, database: Database, database_url: str, model: Model) -> AsyncGenerator[Door]:
    async for other in another(door, database, database_url, model, "1"):
        yield other


def seconds_ago(seconds: float) -> dt.datetime:
    return dt.datetime.now(dt.UTC) - dt.timedelta(seconds=seconds)
