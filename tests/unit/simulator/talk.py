"""A client that talks with a model session in made-up time, and checks each event against OpenAI's types."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np

from simulator.audio import mulaw, watermark
from simulator.model.brain import PracticeBrain
from simulator.model.outlet import Close, Outgoing, Recognise, Speak
from simulator.model.reply import Mind
from simulator.model.session import Session
from simulator.model.session_faults import SessionFault
from simulator.model.settings import ModelBehaviour, ModelTiming
from tests.unit.simulator.openai_types import check_server_event

Event = dict[str, Any]

PHONE: Event = {
    "type": "realtime",
    "instructions": "We open at nine.",
    "audio": {
        "input": {
            "format": {"type": "audio/pcmu"},
            "transcription": {"model": "gpt-live-transcribe", "language": "en"},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 500},
        },
        "output": {"format": {"type": "audio/pcmu"}, "voice": "marin"},
    },
}


def voice(text: str) -> bytes:
    """Speech-like: a tone of 60 ms for each character."""
    samples = np.arange(len(text) * 60 * mulaw.BYTES_PER_MS)
    return mulaw.encode((4000 * np.sin(samples * 2 * np.pi * 220 / 8000)).astype(np.int16))


class Talk:
    """`events` holds everything the server sent; `closed` how it hung up."""

    def __init__(
        self,
        mind: Mind | None = None,
        *,
        timing: ModelTiming | None = None,
        behaviour: ModelBehaviour | None = None,
        session: Event | None = PHONE,
        recognised: str | None = None,
        voice_works: bool = True,
    ) -> None:
        """`session`: the first `session.update`; None: none. `recognised`: what a recogniser hears."""
        self.now = 100.0
        self.events: list[Event] = []
        self.event_times: list[float] = []
        self.frames: list[str] = []
        self.closed: Close | None = None
        self._recognised = recognised
        self._voice_works = voice_works
        self.session = Session(
            "gpt-realtime-2.1",
            mind or PracticeBrain(),
            timing=timing or ModelTiming(),
            behaviour=behaviour or ModelBehaviour(),
            seed=7,
            now=self.now,
            epoch=1_795_000_000,
            recognises=recognised is not None,
        )
        self._take(self.session.opened())
        if session is not None:
            self.send("session.update", session=session)

    def send(self, event_type: str, **fields: Any) -> list[Event]:
        """A client event; the server's immediate answers."""
        return self.send_frame(json.dumps({"type": event_type, **fields}))

    def send_frame(self, frame: str) -> list[Event]:
        before = len(self.events)
        self._take(self.session.handle(frame, self.now))
        return self.events[before:]

    def wait(self, seconds: float) -> list[Event]:
        """Let time pass, with the server doing each thing when it is due."""
        before, until = len(self.events), self.now + seconds
        while self.session.deadline is not None and self.session.deadline <= until:
            self.now = max(self.now, self.session.deadline)
            self._take(self.session.tick(self.now))
        self.now = until
        return self.events[before:]

    def hear(self, audio: bytes) -> list[Event]:
        """Append audio as a phone does, 20 ms at a time."""
        before = len(self.events)
        for start in range(0, len(audio), 160):
            payload = base64.b64encode(audio[start : start + 160]).decode()
            self.send("input_audio_buffer.append", audio=payload)
            self.wait(0.02)
        return self.events[before:]

    def say(self, text: str) -> list[Event]:
        """The caller says something and waits for the answer to begin."""
        return self.hear(watermark.embed(voice(text), text) + mulaw.silence(520))

    def silence(self, ms: int) -> list[Event]:
        return self.hear(mulaw.silence(ms))

    def finish(self) -> list[Event]:
        """Wait until the running response is done."""
        return self.wait(20.0)

    def fail(self, fault: SessionFault) -> None:
        self._take(self.session.fail(fault, self.now))

    def last(self, event_type: str) -> Event:
        return next(event for event in reversed(self.events) if event["type"] == event_type)

    def all(self, event_type: str) -> list[Event]:
        return [event for event in self.events if event["type"] == event_type]

    def heard_ms(self, item_id: str) -> int:
        """Audio received of an item."""
        return len(self.audio_of(item_id)) // mulaw.BYTES_PER_MS

    def audio_of(self, item_id: str) -> bytes:
        deltas = self.all("response.output_audio.delta")
        return b"".join(base64.b64decode(delta["delta"]) for delta in deltas if delta["item_id"] == item_id)

    def _take(self, outgoing: list[Outgoing]) -> None:
        for out in outgoing:
            match out:
                case Close():
                    self.closed = out
                case Speak(response_id, part, text):
                    speech = voice(text) if self._voice_works else None
                    self._take(self.session.spoken(response_id, part, speech, self.now))
                case Recognise(item_id, _):
                    self._take(self.session.recognised(item_id, self._recognised, self.now))
                case str():
                    self.frames.append(out)
                    self._keep(out)

    def _keep(self, frame: str) -> None:
        try:
            event: Event = json.loads(frame)
        except ValueError:
            return  # a raw frame that a script sent
        check_server_event(event)
        self.events.append(event)
        self.event_times.append(self.now)


def types(events: list[Event]) -> list[str]:
    """Event types in order, with runs of deltas as one."""
    names: list[str] = []
    for event in events:
        name = (
            "(deltas)"
            if event["type"].endswith("audio.delta") or "transcript.delta" in event["type"]
            else event["type"]
        )
        if names[-1:] != [name] or name != "(deltas)":
            names.append(name)
    return names


def error(events: list[Event]) -> Event:
    """The one error among these events."""
    errors = [event["error"] for event in events if event["type"] == "error"]
    assert len(errors) == 1, events
    return errors[0]
