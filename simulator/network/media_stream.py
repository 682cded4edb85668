"""One Media Stream: the WebSocket from Twilio to our server.

https://www.twilio.com/docs/voice/media-streams/websocket-messages
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import aiohttp

from simulator.network.delay import Delay, DelayLine
from simulator.network.line import Line, Nothing
from simulator.network.media_messages import CONNECTED, Mark, Media, Misunderstood, Speaker, read
from simulator.network.playout import Playout
from simulator.network.signature import sign
from simulator.network.twiml import Stream
from simulator.timing import Timing
from simulator.wire import MediaWebSocket, SocketFault, Wire

CONNECT_SECONDS = 5
GOODBYE_SECONDS = 3
CLOSING = aiohttp.ClientWSTimeout(ws_close=2)  # pyright: ignore[reportCallIssue] its fields are made by attrs


@dataclass(frozen=True)
class MarkEcho:
    """A mark that was sent back, when, and whether its audio had been played or was cleared."""

    name: str
    stream_ms: int
    played: bool


class MediaStream:
    """`playout` knows what was really played. Attached to a line, it is one end of it."""

    def __init__(
        self,
        *,
        sid: str,
        asked: Stream,
        account_sid: str,
        call_sid: str,
        timing: Callable[[], Timing],
        tell: Callable[..., None],
        on_started: Callable[[], None],
        seed: int = 0,
    ) -> None:
        self.sid = sid
        self.asked = asked
        self.playout = Playout()
        self.marks: list[MarkEcho] = []
        self.warnings: list[str] = []
        self.error_code: int | None = None
        self.started = False
        self.ended_by: Literal["server", "network", "dropped", "refused"] | None = None
        self._timing = timing
        self._tell = tell
        self._on_started = on_started
        self._seed = seed
        self._speaker = Speaker(account_sid, call_sid, sid)
        self._wire: Wire | None = None
        self._live = False
        self._outbox: asyncio.Queue[str] = asyncio.Queue()
        self._to_server = DelayLine(Delay(timing, seed), self._outbox.put_nowait)
        self._to_network = DelayLine(Delay(timing, seed + 1), self._receive)

    async def run(self, http: aiohttp.ClientSession, auth_token: str, line: Line) -> None:
        """From connecting until our server closes the socket. When cancelled, says `stop` and closes it."""
        wire = self._wire = await self._connect(http, auth_token)
        if wire is None:
            return
        writer = asyncio.create_task(self._write(wire))
        try:
            self.started = True
            self._to_server.send(CONNECTED)
            self._to_server.send(self._speaker.start(self.asked.parameters))
            self._tell("stream started", stream_sid=self.sid)
            self._on_started()
            line.attachment = self
            self._live = True
            await self._read(wire)
            self.ended_by = self.ended_by or "server"
            self.error_code = 31921 if self.ended_by == "server" else 31903
        except asyncio.CancelledError:
            self.ended_by = self.ended_by or "network"
            line.attachment = Nothing()
            if not wire.dead:
                await self._say_goodbye()
            raise
        finally:
            self._live = False
            line.attachment = Nothing()
            self._to_server.close()
            self._to_network.close()
            writer.cancel()
            wire.end()
            await wire.close()
            self._tell(
                "stream ended", stream_sid=self.sid, by=self.ended_by, agent_played_ms=self.playout.played_ms
            )

    def exchange(self, mouth: bytes) -> bytes:
        frame, marks = self.playout.step()
        self._to_server.send(self._speaker.media(mouth, self.playout.stream_ms))
        if marks:
            self._echo(marks, played=True)
        return frame

    def press(self, key: str) -> None:
        self._to_server.send(self._speaker.dtmf(key))

    def send_text(self, text: str) -> None:
        """Anything at all, for tests of what our server does with it."""
        self._to_server.send(text)

    @property
    def live(self) -> bool:
        """Its socket is open, or seems to be."""
        return self._live

    def fail(self, fault: SocketFault, *, seconds: float | None = None, code: int = 1011) -> None:
        """Something happens to the socket while the call lives on. A black hole is noticed by Twilio after
        `seconds`, by default as long as `Timing.notices_ms` says. See `Wire.fail`."""
        if self._wire is None or not self._live:
            return
        self._tell("fault", leg="phone", fault=fault, stream_sid=self.sid)
        if fault in ("close", "cut", "reset", "black_hole"):
            self.ended_by = "dropped"
        if fault == "black_hole" and seconds is None:
            seconds = self._timing().notices_ms / 1000
        self._wire.fail(fault, seconds=seconds, code=code)

    def refuse(self) -> None:
        """Nobody is there, as far as Twilio can see."""
        self._refused(31920, "the simulator was asked to refuse it")

    async def _connect(self, http: aiohttp.ClientSession, auth_token: str) -> Wire | None:
        await asyncio.sleep(self._timing().stream_setup_ms / 1000)
        headers = {"x-twilio-signature": sign(auth_token, self.asked.url)}
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                socket = await http.ws_connect(
                    self.asked.url,
                    headers=headers,
                    compress=0,
                    max_msg_size=0,
                    timeout=CLOSING,
                    autoping=False,
                    autoclose=False,
                )
        except aiohttp.WSServerHandshakeError as error:
            return self._refused(31920, f"the server answered {error.status} instead of 101")
        except TimeoutError:
            return self._refused(31901, "no connection in time")
        except aiohttp.ClientConnectorError as error:
            return self._refused(31902, str(error.os_error))
        except aiohttp.ClientError as error:
            return self._refused(31924, str(error))
        return Wire(socket, socket.transport if isinstance(socket, MediaWebSocket) else None)

    def _refused(self, code: int, why: str) -> None:
        self.ended_by = "refused"
        self.error_code = code
        self._tell("stream refused", stream_sid=self.sid, code=code, why=why)

    async def _read(self, wire: Wire) -> None:
        while (message := await wire.receive()) is not None:
            if isinstance(message, str):
                self._to_network.send(message)
            else:
                self._warn("31950 malformed message: binary")
        if not wire.dead:
            await self._to_network.emptied.wait()

    async def _write(self, wire: Wire) -> None:
        while True:
            await wire.send(await self._outbox.get())
            self._outbox.task_done()

    async def _say_goodbye(self) -> None:
        self._to_server.send(self._speaker.stop())
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self._to_server.emptied.wait()
                await self._outbox.join()
        except TimeoutError:
            self._warn("31930 the server did not read on")

    def _receive(self, text: str) -> None:
        try:
            message = read(text, self.sid)
        except Misunderstood as error:
            self._warn(f"31951 invalid message: {error}")
            return
        if isinstance(message, Media):
            if not self.playout.media(message.media.payload):
                self._warn("31931 media discarded: more than ten minutes are buffered")
        elif isinstance(message, Mark):
            self._echo(self.playout.mark(message.mark.name), played=True)
        else:
            cleared_ms = self.playout.queued_bytes / 8
            self._echo(self.playout.clear(), played=False)
            self._tell("cleared", stream_ms=self.playout.stream_ms, cleared_ms=cleared_ms)

    def _echo(self, names: list[str], *, played: bool) -> None:
        for name in names:
            self.marks.append(MarkEcho(name, self.playout.stream_ms, played))
            self._to_server.send(self._speaker.mark(name))

    def _warn(self, warning: str) -> None:
        """Each kind once a stream."""
        if warning[:5] not in (known[:5] for known in self.warnings):
            self.warnings.append(warning)
            self._tell("warning", text=warning)
