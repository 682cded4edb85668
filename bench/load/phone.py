"""One call from Twilio's side: audio every 20 ms, a playout buffer, marks and `clear` as Twilio has them.

https://www.twilio.com/docs/voice/media-streams/websocket-messages
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from typing import Any

from picows import WSFrame, WSListener, WSMsgType, WSTransport

from bench.load import marker
from bench.load.model import Model, ModelSession
from bench.load.pacer import Pacer
from bench.load.tally import Tally

BYTES_PER_S = 8000
HEAD = (
    b'{"event":"media","sequenceNumber":"%d",'
    b'"media":{"track":"inbound","chunk":"%d","timestamp":"%d","payload":"'
)


class Phone(WSListener):
    def __init__(
        self,
        number: int,
        *,
        call_sid: str,
        account_sid: str,
        parameters: dict[str, str],
        model: Model,
        tally: Tally,
        pacer: Pacer,
    ) -> None:
        super().__init__()
        self.number = number
        self.ended = asyncio.Event()
        self.sent = 0
        self.ended_by_bridge = False
        """The bridge closed the socket before the phone was hung up."""
        self._sid = f"MZ{number:032x}"
        self._call_sid, self._account_sid, self._parameters = call_sid, account_sid, parameters
        self._model, self._tally, self._pacer = model, tally, pacer
        self._loop = asyncio.get_running_loop()
        self._joined = 0
        self._sequence = 1
        self._played_until = 0.0
        self._marks: deque[tuple[float, str]] = deque()
        self._session: ModelSession | None = None
        self._started_ns = 0
        self._received: dict[int, int] = {}
        """Frames of each response."""
        self._tail = f'"}},"streamSid":"{self._sid}"}}'.encode()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def start(self) -> None:
        self._send({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        start = {
            "accountSid": self._account_sid,
            "streamSid": self._sid,
            "callSid": self._call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": self._parameters,
        }
        self._started_ns = time.monotonic_ns()
        self._send({"event": "start", "sequenceNumber": "1", "start": start, "streamSid": self._sid})
        self._joined = self._pacer.join(self._speak)

    def hang_up(self) -> None:
        """As Twilio: `stop`, then the close."""
        if self._quiet():
            self._sequence += 1
            stop = {"accountSid": self._account_sid, "callSid": self._call_sid}
            self._send(
                {
                    "event": "stop",
                    "sequenceNumber": str(self._sequence),
                    "stop": stop,
                    "streamSid": self._sid,
                }
            )
            self._transport.send_close()
            self._loop.call_later(0.5, self._transport.disconnect)

    def drop(self) -> None:
        """The line between Twilio and the bridge breaks."""
        if self._quiet():
            self._transport.underlying_transport.abort()

    def _quiet(self) -> bool:
        """False: it is over already."""
        if self._joined:
            self._pacer.leave(self._joined)
        was_up, self._joined = self._joined, 0
        return bool(was_up) and not self.ended.is_set()

    def _speak(self) -> None:
        self._sequence += 1
        head = HEAD % (self._sequence, self.sent + 1, self.sent * 20)
        frame = marker.base64_frame(self.number, self.sent)
        self._transport.send(WSMsgType.TEXT, head + frame + self._tail)
        self.sent += 1
        if self._marks and self._marks[0][0] <= self._loop.time():
            self._return_marks(self._loop.time())

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.TEXT:
            message: dict[str, Any] = json.loads(frame.get_payload_as_bytes())
            match message["event"]:
                case "media":
                    self._play(message["media"]["payload"])
                case "mark":
                    self._mark(message["mark"]["name"])
                case "clear":
                    self._clear()
                case other:
                    raise ValueError(f"Twilio knows no {other}")
        elif frame.msg_type is WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.ended_by_bridge = self._quiet()
        self.ended.set()

    def _play(self, payload: str) -> None:
        now_ns = time.monotonic_ns()
        audio = marker.decoded(payload.encode())
        first = True
        for at in range(0, len(audio), marker.FRAME_BYTES):
            found = marker.unpack(audio[at : at + marker.FRAME_BYTES])
            if found is not None:
                self._count(found, now_ns, first=first)
                first = False
        now = self._loop.time()
        self._played_until = max(self._played_until, now) + len(audio) / BYTES_PER_S

    def _count(self, found: marker.Marker, now_ns: int, *, first: bool) -> None:
        owner, response, number, sent_ns = found
        counts = self._tally.counts
        if self._session is None:
            self._greeted(self._model.sessions[owner], now_ns)
        elif (
            owner > self._session.number
            and self._model.by_caller.get(self.number) is self._model.sessions[owner]
        ):
            # The bridge has opened another one for us: the one before was lost.
            self._session, self._received = self._model.sessions[owner], {}
        if self._session is None or owner != self._session.number:
            counts.agent_frames_disordered += 1
            return
        received = self._received.get(response, 0)
        if number < received:
            counts.agent_frames_disordered += 1
        elif number > received:
            counts.agent_frames_lost += number - received
        self._received[response] = max(received, number + 1)
        counts.agent_frames += 1
        # What was made before the caller was on the line had to wait for them.
        if first and self._tally.measuring and sent_ns > self._started_ns:
            self._tally.down.add(now_ns - sent_ns)

    def _greeted(self, session: ModelSession, now_ns: int) -> None:
        """The first agent audio is here: what of the waiting was not the model's?"""
        self._session = session
        model_ns = max(0, session.greeted_ns - max(self._started_ns, session.asked_ns))
        self._tally.greeting.add(now_ns - self._started_ns - model_ns)

    def _mark(self, name: str) -> None:
        now = self._loop.time()
        self._marks.append((self._played_until, name))
        if self._played_until <= now:
            self._return_marks(now)

    def _clear(self) -> None:
        session = self._session
        if session is not None and session.interrupted_ns:
            if self._tally.measuring:
                self._tally.clear.add(time.monotonic_ns() - session.interrupted_ns)
            session.interrupted_ns = 0
        self._played_until = 0.0
        self._return_marks(float("inf"))

    def _return_marks(self, until: float) -> None:
        while self._marks and self._marks[0][0] <= until:
            _, name = self._marks.popleft()
            self._sequence += 1
            self._send(
                {
                    "event": "mark",
                    "sequenceNumber": str(self._sequence),
                    "mark": {"name": name},
                    "streamSid": self._sid,
                }
            )

    def _send(self, message: dict[str, Any]) -> None:
        self._transport.send(WSMsgType.TEXT, json.dumps(message, separators=(",", ":")).encode())

    def settle(self, *, orderly: bool) -> None:
        """The call is over and nothing is under way: what never came?"""
        counts, session = self._tally.counts, self._model.by_caller.get(self.number)
        if session is None:
            counts.caller_frames_lost_at_start += self.sent if orderly else 0
            return
        if orderly:
            counts.caller_frames_lost_at_end += self.sent - session.expected
            # The last response may have been under way.
            for response, sent in list(session.sent.items())[:-1]:
                if response not in session.cut:
                    counts.agent_frames_lost += sent - self._received.get(response, 0)
        if session.interrupted_ns and time.monotonic_ns() - session.interrupted_ns > 2e9:
            counts.clears_missing += 1
