"""Tells a call as a story: OpenAI's and Twilio's own JSON in, the commands out. Time moves when told to."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

from websockets.speedups import apply_mask

from bridge.call.agent import AgentConfig, AgentSnapshot
from bridge.call.call import Call
from bridge.call.commands import Command, EndCall, Record, SaveLine, SaveTotals, SendToModel, SendToPhone
from bridge.call.events import (
    Answered,
    DeadlinePassed,
    Event,
    MarkReturned,
    ModelOpened,
    ModelSaid,
    Prepared,
    StreamStarted,
)
from bridge.call.lines import Lines
from bridge.call.past import Past
from bridge.engines.openai_realtime.session import RealtimeSession
from bridge.runtime.agent_splice import AgentSplice
from bridge.wire.websocket import Receiver, Sender


def audio(ms: float, *, byte: int = 0x40) -> str:
    return base64.b64encode(bytes([byte]) * round(ms * 8)).decode()


QUIET = audio(20, byte=0x7F)


def compact(message: dict[str, Any]) -> str:
    """As both vendors write it."""
    return json.dumps(message, separators=(",", ":"))


class Phone:
    """The phone's socket, where speech goes without a detour; a peer reads it."""

    def __init__(self) -> None:
        self.paused = self.closing = False
        self.writes = 0
        self._heard: list[str] = []
        self._receiver = Receiver(masked=False, mask=apply_mask, max_message_bytes=1024 * 1024)

    def write(self, data: bytes) -> None:
        self.writes += 1
        self._heard += self._receiver.feed(data)

    def take(self) -> list[str]:
        heard, self._heard = self._heard, []
        return heard


framed = Sender(apply_mask).text
"""As the model writes it."""


class Story:
    """One call. `said` to the model and `shown` to the phone are decoded messages, in order."""

    def __init__(
        self,
        *,
        prices: dict[str, Decimal] | None = None,
        past: Past | None = None,
        lines: Lines | None = None,
        spliced: bool = True,
        **agent: Any,
    ) -> None:
        """`spliced`: what may go straight from socket to socket does."""
        config = AgentConfig(name="Test", prompt=agent.pop("prompt", "Be brief."), **agent)
        self.engines: list[RealtimeSession] = []
        snapshot = AgentSnapshot(
            agent_id="agent_1", version=1, config=config, prices=prices or {}, lines=lines or Lines()
        )
        self.call = Call(snapshot, lambda: self._new_engine(config), past=past)
        self.phone = Phone()
        self.splice = AgentSplice(self.call.agent_line, self.phone)
        self._spliced = spliced
        self.now = 100.0
        self.stream_ms = 0
        self.commands: list[Command] = []
        self.said: list[dict[str, Any]] = []
        self.shown: list[dict[str, Any]] = []
        self._events = 0
        self.session = 1
        """The one that speaks."""

    def _new_engine(self, config: AgentConfig) -> RealtimeSession:
        self.engines.append(RealtimeSession(config))
        return self.engines[-1]

    # Time

    def later(self, seconds: float) -> None:
        """Time passes; deadlines that come by are kept."""
        until = self.now + seconds
        while self.call.deadline is not None and self.call.deadline <= until:
            self.now = max(self.now, self.call.deadline)
            self.happens(DeadlinePassed())
        self.now = until

    # Going in

    def happens(self, event: Event) -> list[Command]:
        out = self.call.handle(event, self.now)
        self.took(out)
        if self.call.first_audio_pending:
            self.took(self.call.first_audio_written(self.now))
        return out

    def took(self, out: list[Command]) -> None:
        self.commands.extend(out)
        self.said.extend(json.loads(command.text) for command in out if isinstance(command, SendToModel))
        self.shown.extend(json.loads(command.text) for command in out if isinstance(command, SendToPhone))

    def model(self, type_: str, **fields: Any) -> list[Command]:
        self._events += 1
        return self.raw_model(compact({"type": type_, "event_id": f"event_{self._events}"} | fields))

    def raw_model(self, text: str) -> list[Command]:
        if self._spliced and self.splice.take(framed(text)):
            self.shown.extend(map(json.loads, self.phone.take()))
            return []
        frames = self.call.agent_audio(text, self.now)
        if frames is None:
            return self.happens(ModelSaid([text], self.session))
        self.shown.extend(json.loads(frame) for frame in frames)
        if self.call.first_audio_pending:
            self.took(self.call.first_audio_written(self.now))
        return []

    def caller_audio(self, ms: int, *, stream_ms: int | None = None, payload: str | None = None) -> list[str]:
        """Twilio's frames of 20 ms; the stream's clock, and the machine's, move with them."""
        sent: list[str] = []
        for _ in range(ms // 20):
            self.stream_ms = self.stream_ms + 20 if stream_ms is None else stream_ms
            self.now += 0.02
            media = {
                "track": "inbound",
                "chunk": "1",
                "timestamp": str(self.stream_ms),
                "payload": payload or QUIET,
            }
            frame = {"event": "media", "sequenceNumber": "2", "media": media, "streamSid": "MZ1"}
            passed = self.call.caller_audio(compact(frame))
            assert passed is not None
            sent.append(passed)
        return sent

    # Usual scenes

    def opened(self, session: int = 1) -> None:
        self.session = session
        self.happens(ModelOpened(session))

    def configured(self, input_format: str = "audio/pcmu", output_format: str = "audio/pcmu") -> None:
        formats = {
            "input": {"format": {"type": input_format}},
            "output": {"format": {"type": output_format}},
        }
        self.model("session.updated", session={"type": "realtime", "audio": formats})

    def live(self) -> Story:
        """Answered, on the line, the model ready; nothing was said yet."""
        self.happens(Prepared())
        self.opened()
        self.happens(Answered())
        self.configured()
        self.happens(StreamStarted("MZ1"))
        return self

    def agent_begins(self, item_id: str, response_id: str = "resp_1", *, request: str | None = None) -> None:
        metadata = {"request": request} if request else None
        self.model("response.created", response={"id": response_id, "metadata": metadata})
        item: dict[str, Any] = {"id": item_id, "type": "message", "role": "assistant", "content": []}
        self.model("response.output_item.added", response_id=response_id, item=item)
        self.model("conversation.item.added", previous_item_id=None, item=item)

    def delta(self, item_id: str, ms: float, response_id: str = "resp_1") -> None:
        self.model("response.output_audio.delta", response_id=response_id, item_id=item_id, delta=audio(ms))

    def agent_finishes(self, item_id: str, text: str, response_id: str = "resp_1") -> None:
        names = {"response_id": response_id, "item_id": item_id}
        self.model("response.output_audio.done", **names)
        self.model("response.output_audio_transcript.done", transcript=text, **names)
        self.response_done(response_id)

    def response_done(self, response_id: str = "resp_1", status: str = "completed", **fields: Any) -> None:
        self.model("response.done", response={"id": response_id, "status": status, "output": []} | fields)

    def agent_says(self, item_id: str, text: str, ms: int, response_id: str = "resp_1") -> None:
        self.agent_begins(item_id, response_id, request=self.request())
        self.delta(item_id, ms, response_id)
        self.agent_finishes(item_id, text, response_id)

    def request(self) -> str | None:
        """The newest `response.create` of ours that nothing has answered."""
        asked = [message["event_id"] for message in self.said if message["type"] == "response.create"]
        return asked[-1] if asked else None

    def marks_return(self) -> None:
        """The caller has heard everything that was sent."""
        for message in list(self.shown):
            if message["event"] == "mark":
                self.mark_returns(message["mark"]["name"])

    def mark_returns(self, name: str) -> None:
        if not self.call.mark_passed(name):
            self.happens(MarkReturned(name))

    def marks_before_audio_return(self) -> None:
        """What was sent has begun to be heard."""
        self.mark_returns(
            next(message for message in self.shown if message["event"] == "mark")["mark"]["name"]
        )

    def caller_speaks(
        self, item_id: str, ms: int = 1000, *, silence_ms: int = 500, previous: str | None = None
    ) -> None:
        """Speech from here, then the silence that server VAD waits for."""
        start = len(self.sent_audio())
        self.model("input_audio_buffer.speech_started", item_id=item_id, audio_start_ms=start * 20)
        self.caller_audio(ms + silence_ms)
        end = start * 20 + ms + silence_ms
        self.model("input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=end)
        self.model("input_audio_buffer.committed", item_id=item_id, previous_item_id=previous)

    def sent_audio(self) -> list[int]:
        return list(range(self.stream_ms // 20))

    # Coming out

    def sent(self, type_: str) -> list[dict[str, Any]]:
        return [message for message in self.said if message["type"] == type_]

    def events(self, type_: str) -> list[Record]:
        return [c for c in self.commands if isinstance(c, Record) and c.type == type_]

    def lines(self) -> list[tuple[str, str]]:
        newest = {line.item_id: line for line in self.commands if isinstance(line, SaveLine)}
        ordered = sorted(newest.values(), key=lambda line: line.position)
        return [(line.role, line.text) for line in ordered if line.text]

    def notes(self) -> list[SaveLine]:
        """What is written down once a second."""
        out = self.call.note_heard(self.now)
        self.took(out)
        return [line for line in out if isinstance(line, SaveLine)]

    def totals(self) -> SaveTotals:
        return [command for command in self.commands if isinstance(command, SaveTotals)][-1]

    @property
    def ending(self) -> EndCall | None:
        endings = [command for command in self.commands if isinstance(command, EndCall)]
        assert len(endings) <= 1, "a call ends once"
        return endings[0] if endings else None
