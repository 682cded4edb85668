"""A Twilio that notes what it is told, a voice model on a real socket, a call that follows a script."""

from __future__ import annotations

import asyncio
import http
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from bridge.call.agent import AgentConfig
from bridge.call.agent_line import AgentLine
from bridge.call.caller_line import CallerLine
from bridge.call.commands import Command, EndCall, OpenModel, SendToPhone, UseModel
from bridge.call.ending import EndReason
from bridge.call.events import CallOver, Event, HangUpRequested, ModelOpened, ModelSaid, Prepared
from bridge.call.past import Past
from bridge.call.speaking import Speaking
from bridge.engines.openai_realtime.session import RealtimeSession
from telephony.twilio import TwilioAccount, TwilioUnreachable


class Watched:
    """Tests wait for what they expect rather than for time to pass."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def changed(self) -> None:
        self._changed.set()

    async def until(self, true: Callable[[], bool], timeout_s: float = 10.0) -> None:
        async with asyncio.timeout(timeout_s):
            while not true():
                self._changed.clear()
                await self._changed.wait()


class TwilioOnPaper(TwilioAccount, Watched):
    """Notes what it is told. `away`: it does not answer."""

    def __init__(self) -> None:
        TwilioAccount.__init__(self, "AC" + "0" * 32, ["token"], "http://127.0.0.1:9")
        Watched.__init__(self)
        self.ended: list[str] = []
        self.redirected: list[tuple[str, str]] = []
        self.away = False
        self.then: Callable[[], Awaitable[None]] = self._nothing
        """What the network does once a call is ended or redirected."""

    async def _nothing(self) -> None: ...

    async def end_call(self, call_sid: str) -> None:
        if self.away:
            raise TwilioUnreachable("away")
        self.ended.append(call_sid)
        self.changed()
        await self.then()

    async def redirect_call(
        self, call_sid: str, twiml: str, *, time_limit_seconds: int | None = None
    ) -> None:
        if self.away:
            raise TwilioUnreachable("away")
        self.redirected.append((call_sid, twiml))
        self.changed()
        await self.then()


class Model(Watched):
    """A voice model's socket. `refuse_with` is its HTTP status at the upgrade."""

    def __init__(self) -> None:
        super().__init__()
        self.sessions: list[ServerConnection] = []
        self.heard: list[str] = []
        self.models: list[str] = []
        self.greets = "session.created"
        self.most_open = 0
        self.admits = asyncio.Event()
        """Cleared: upgrades wait."""
        self.admits.set()
        self.refuse_with: int | None = None
        self.closes_with: tuple[int, str] | None = None
        self.base_url = ""
        self._server: Server | None = None

    async def start(self) -> None:
        self._server = await serve(self._talk, "127.0.0.1", 0, process_request=self._admit, max_size=None)
        host, port = self._server.sockets[0].getsockname()[:2]
        self.base_url = f"http://{host}:{port}/v1"

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    @property
    def open_sessions(self) -> int:
        return len(self.sessions)

    async def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        self.models.append(request.path)
        self.changed()
        await self.admits.wait()
        if self.refuse_with is None:
            return None
        self.changed()
        body = '{"error": {"code": "made_up", "message": "no, says sk-secret"}}\n'
        return connection.respond(http.HTTPStatus(self.refuse_with), body)

    async def _talk(self, connection: ServerConnection) -> None:
        self.sessions.append(connection)
        self.most_open = max(self.most_open, self.open_sessions)
        self.changed()
        try:
            await connection.send(self.greets)
            if self.closes_with is not None:
                await connection.close(*self.closes_with)
                return
            async for text in connection:
                self.heard.append(str(text))
                self.changed()
        except ConnectionClosed:
            pass
        finally:
            self.sessions.remove(connection)
            self.changed()


class ScriptedCall(Watched):
    """`answers`: what it wants done when an event of that type happens."""

    def __init__(self) -> None:
        super().__init__()
        self.line = CallerLine(RealtimeSession(AgentConfig(name="Scripted", prompt="Say it.")))
        self.agent_line = AgentLine(Speaking(), RealtimeSession.speech_shape)
        self.deadline: float | None = None
        self.quiet = True
        self.first_audio_pending = False
        self.events: list[Event] = []
        self.answers: dict[type[Any], Sequence[Command]] = {
            Prepared: [OpenModel(1, 5.0)],
            ModelOpened: [UseModel(1)],
            HangUpRequested: [EndCall(EndReason.DRAINING, caller_gone=False)],
            CallOver: [EndCall(EndReason.CALLER_HUNG_UP, caller_gone=True)],
        }
        self.breaks_on: type[Any] | None = None
        self.first_audio: list[float] = []
        self.past: Past | None = None

    def handle(self, event: Event, now: float) -> list[Command]:
        self.events.append(event)
        self.changed()
        if self.breaks_on is not None and isinstance(event, self.breaks_on):
            raise RuntimeError("a bug, holding +15550001111")
        audio = [
            SendToPhone(text.removeprefix("audio "))
            for text in (event.texts if isinstance(event, ModelSaid) else ())
            if text.startswith("audio ")
        ]
        return audio + list(self.answers.get(type(event), []))

    def caller_audio(self, text: str) -> str | None:
        return f"append {text}" if '"event":"media"' in text else None

    def agent_audio(self, text: str, now: float) -> list[str] | None:
        if not text.startswith("audio "):
            return None
        self.first_audio_pending = not self.first_audio
        return [text.removeprefix("audio ")]

    def mark_passed(self, name: str) -> bool:
        return False

    def note_heard(self, now: float) -> list[Command]:
        return []

    def first_audio_written(self, now: float) -> list[Command]:
        self.first_audio.append(now)
        self.first_audio_pending = False
        return []

    def happened(self, kind: type[Any]) -> bool:
        return any(isinstance(event, kind) for event in self.events)
