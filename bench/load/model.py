"""The model's side: counts caller audio by its markers, takes a turn every 8 s of it, answers faster than
real time, and lets the caller interrupt every third reply."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import ssl
import time
from collections.abc import Iterable
from typing import Any

from picows import (
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    ws_create_server,  # pyright: ignore[reportUnknownVariableType] (picows leaves what it passes on to asyncio untyped)
)

from bench.load import events, marker
from bench.load.tally import Tally

FRAMES_PER_TURN = 400
FRAMES_OF_SPEECH = 75
"""The caller speaks for the last 1.5 s of a turn."""
INTERRUPTED_EACH = 3
INTERRUPT_S = 1.0
"""After the beginning of the reply: with a quarter of it still to come, and most of it unplayed."""
THINK_S = 0.3
FASTER = 4
REPLY_FRAMES, GREETING_FRAMES = 250, 100
DELTA_FRAMES = range(10, 31)
FRAME_CHARS = 216
"""Of base64: what 160 bytes are."""


class Reply:
    """One response while it is being spoken."""

    def __init__(self, session: ModelSession, number: int, frames: int, metadata: Any) -> None:
        self.item_id = f"item_{session.number}_a{number}"
        self.number = number
        self.frames = frames
        self.sent = 0
        self.began = 0.0
        self.events = events.ReplyEvents(
            f"resp_{session.number}_{number}", self.item_id, session.last_item, metadata
        )
        self.timers: list[asyncio.TimerHandle] = []

    def cancel(self) -> None:
        for timer in self.timers:
            timer.cancel()


class ModelSession(WSListener):
    def __init__(self, model: Model, number: int) -> None:
        super().__init__()
        self.number = number
        self.tally: Tally | None = None
        """Whose: known from the first audio, or from the phone that hears us."""
        self.asked_ns = 0
        """When the greeting was asked for, and when its first audio was written."""
        self.greeted_ns = 0
        self.interrupted_ns = 0
        """When `speech_started` was last written over a reply that was being heard; 0: it was cleared."""
        self.cut: set[int] = set()
        """Responses that were not said to their end."""
        self.sent: dict[int, int] = {}
        """Frames of each response."""
        self.last_item: str | None = None
        self.closed = False
        self.expected = 0
        self._model = model
        self._caller = -1
        self._leaving = False
        self._frames = 0
        self._next_turn = FRAMES_PER_TURN
        self._speech_at = self._next_turn - FRAMES_OF_SPEECH
        self._turns = 0
        self._replies = 0
        self._reply: Reply | None = None
        self._heard_until = 0.0
        self._dice = random.Random(number)
        self._loop = asyncio.get_running_loop()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._model.open.add(self)
        self._say([events.session("session.created", f"sess_{self.number}", "")])

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.closed = self._leaving = True
        self._model.open.discard(self)
        if self._reply is not None:
            self.cut.add(self._reply.number)
            self._reply.cancel()

    def hang_up(self) -> None:
        """The model's machine goes away in the middle of a call."""
        self._transport.underlying_transport.abort()

    # What the bridge says

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.TEXT:
            message = frame.get_payload_as_bytes()
            if message.find(b"buffer.append", 0, 60) >= 0:
                self._caller_audio(message)
            else:
                self._asked(json.loads(message))
        elif frame.msg_type is WSMsgType.CLOSE:
            self._leaving = True
            transport.disconnect()

    def _caller_audio(self, message: bytes) -> None:
        start = message.find(b'"', message.find(b'"audio"') + 7) + 1
        end = message.find(b'"', start)
        if end - start == FRAME_CHARS:
            self._caller_frame(marker.read(message[start : start + marker.MARKER_CHARS]))
            return
        audio = marker.decoded(message[start:end])
        for at in range(0, len(audio), marker.FRAME_BYTES):
            self._caller_frame(marker.unpack(audio[at : at + marker.FRAME_BYTES]))

    def _caller_frame(self, found: marker.Marker | None) -> None:
        if found is None:
            return
        caller, _, number, sent_ns = found
        tally = self.tally
        if tally is None or caller != self._caller:
            tally = self._first_audio(caller, number, tally)
        if tally.measuring:
            tally.up.add(time.monotonic_ns() - sent_ns)
        self._count(tally.counts, number)
        self._frames += 1
        if self._frames == self._speech_at:
            self._speech_started()
        elif self._frames == self._next_turn:
            self._turn()

    def _first_audio(self, caller: int, number: int, known: Tally | None) -> Tally:
        if self._caller >= 0 and known is not None:
            known.counts.caller_frames_disordered += 1  # another call's audio
            return known
        self._caller = caller
        self.tally = self._model.tally_of(caller)
        if caller in self._model.by_caller:
            # The session before this one was lost, and with it what was on its way to it.
            self.expected = number
        self._model.by_caller[caller] = self
        # Turns are spread over the calls, the first within 8 s.
        self._next_turn = FRAMES_OF_SPEECH + 50 + caller * 37 % FRAMES_PER_TURN
        self._speech_at = self._next_turn - FRAMES_OF_SPEECH
        return self.tally

    def _count(self, counts: Any, number: int) -> None:
        counts.caller_frames += 1
        if number == self.expected:
            self.expected += 1
        elif number < self.expected:
            counts.caller_frames_disordered += 1
        else:
            if self.expected == 0:
                counts.caller_frames_lost_at_start += number
            else:
                counts.caller_frames_lost += number - self.expected
            self.expected = number + 1

    def _asked(self, request: dict[str, Any]) -> None:
        kind = request.get("type")
        if kind == "session.update":
            self._say([events.session("session.updated", f"sess_{self.number}", "You answer the phone.")])
        elif kind == "response.create":
            if self._reply is not None:
                active = {
                    "type": "invalid_request_error",
                    "code": "conversation_already_has_active_response",
                    "message": f"There is an active response in progress: resp_{self._reply.number}",
                    "param": None,
                    "event_id": request.get("event_id"),
                }
                self._say([events.event("error", error=active)])
                return
            self.asked_ns = self.asked_ns or time.monotonic_ns()
            response: dict[str, Any] = request.get("response") or {}
            self._begin(GREETING_FRAMES, response.get("metadata"))
        elif kind == "conversation.item.create":
            item = request["item"]
            self._say([events.event("conversation.item.added", previous_item_id=self.last_item, item=item)])
            self.last_item = item["id"]
        elif kind == "conversation.item.truncate":
            cut = {name: request[name] for name in ("item_id", "content_index", "audio_end_ms")}
            self._say([events.event("conversation.item.truncated", **cut)])
        elif kind == "conversation.item.delete":
            self._say([events.event("conversation.item.deleted", item_id=request["item_id"])])
        elif kind == "response.cancel" and self._reply is not None:
            self._cut(self._reply)

    # What the model says

    def _speech_started(self) -> None:
        self._speech_at = -1
        item_id = f"item_{self.number}_c{self._turns}"
        reply = self._reply
        heard = reply is not None or self._loop.time() < self._heard_until
        started = events.event(
            "input_audio_buffer.speech_started", audio_start_ms=self._frames * 20, item_id=item_id
        )
        if heard:
            if self.interrupted_ns and self.tally is not None:
                self.tally.counts.clears_missing += 1
            self.interrupted_ns = time.monotonic_ns()
        self._say([started])
        if reply is not None:
            self._cut(reply)

    def _turn(self) -> None:
        if self._speech_at >= 0:
            self._speech_started()
        item_id = f"item_{self.number}_c{self._turns}"
        self._say(events.caller_turn(item_id, self.last_item, self._frames * 20))
        self.last_item = item_id
        self._turns += 1
        self._next_turn = self._frames + FRAMES_PER_TURN
        self._speech_at = self._next_turn - FRAMES_OF_SPEECH
        if self._uses_tools:
            self._call_tool()
        else:
            self._begin(REPLY_FRAMES, None)
        self._loop.call_later(0.6, self._say, events.caller_words(item_id))
        if self._turns % INTERRUPTED_EACH == 0:
            self._loop.call_later(THINK_S + INTERRUPT_S, self._interrupt)

    @property
    def _uses_tools(self) -> bool:
        each = self._model.tool_calls_each
        return bool(each) and self._caller % 2 == 0 and self._caller // 2 % each == 0

    def _call_tool(self) -> None:
        if self._reply is not None:
            self._cut(self._reply)
        self._replies += 1
        self._say(events.tool_call(f"{self.number}_{self._replies}", self.last_item))

    def _interrupt(self) -> None:
        if not self.closed and self._speech_at >= 0:
            self._speech_started()

    def _begin(self, frames: int, metadata: Any) -> None:
        if self._reply is not None:
            self._cut(self._reply)
        self._replies += 1
        reply = self._reply = Reply(self, self._replies, frames, metadata)
        self._say([reply.events.created()])
        reply.timers.append(self._loop.call_later(THINK_S, self._speak_first, reply))

    def _speak_first(self, reply: Reply) -> None:
        self._say(reply.events.begun())
        self.last_item = reply.item_id
        reply.began = self._loop.time()
        self._speak(reply)

    def _speak(self, reply: Reply) -> None:
        """A delta is written once a quarter of the time has passed that the audio before it lasts."""
        frames = min(self._dice.choice(DELTA_FRAMES), reply.frames - reply.sent)
        self._say([reply.events.words(events.WORDS)])
        if not self.greeted_ns:
            self.greeted_ns = time.monotonic_ns()
        self._say([reply.events.audio(marker.base64_delta(self.number, reply.number, reply.sent, frames))])
        reply.sent += frames
        self.sent[reply.number] = reply.sent
        now = self._loop.time()
        self._heard_until = max(self._heard_until, now) + frames * 0.02
        if reply.sent >= reply.frames:
            self._reply = None
            self._say(reply.events.ended(events.WORDS * 8, cancelled=False))
        else:
            due = reply.began + reply.sent * 0.02 / FASTER
            reply.timers = [self._loop.call_at(due, self._speak, reply)]

    def _cut(self, reply: Reply) -> None:
        reply.cancel()
        self.cut.add(reply.number)
        self._reply = None
        self._heard_until = 0.0
        self._say(reply.events.ended(events.WORDS, cancelled=True))

    def _say(self, messages: Iterable[bytes]) -> None:
        if not self._leaving and not self._transport.underlying_transport.is_closing():
            for message in messages:
                self._transport.send(WSMsgType.TEXT, message)


class Model:
    def __init__(self, tallies: tuple[Tally, Tally], tool_calls_each: int = 0) -> None:
        """`tallies`: of the bridge's calls, and of the pass-through's, whose caller numbers are odd."""
        self.tool_calls_each = tool_calls_each
        self.open: set[ModelSession] = set()
        self.sessions: dict[int, ModelSession] = {}
        self.by_caller: dict[int, ModelSession] = {}
        self._tallies = tallies
        self._made = itertools.count(1)

    def tally_of(self, caller: int) -> Tally:
        return self._tallies[caller % 2]

    async def listen(self, port: int, context: ssl.SSLContext | None) -> None:
        await ws_create_server(
            self._session,
            "127.0.0.1",
            port,
            ssl=context,
            backlog=1024,
            read_buffer_init_size=4096,
            websocket_handshake_timeout=30,
        )

    def _session(self, _request: WSUpgradeRequest) -> ModelSession:
        session = ModelSession(self, next(self._made))
        self.sessions[session.number] = session
        return session
