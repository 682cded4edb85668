"""A call on the simulated network: what Twilio keeps of it, the phone on it, and what really happened."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from simulator.audio import watermark
from simulator.audio.mulaw import BYTES_PER_MS
from simulator.audio.recording import stereo_wav
from simulator.network.call_record import CallRecord
from simulator.network.line import Line
from simulator.network.media_stream import MediaStream
from simulator.network.story import Moment, Story
from simulator.network.webhooks import Exchange
from simulator.phones.behaviour import Behaviour
from simulator.phones.phone import Phone, PreparedLine


@dataclass(frozen=True)
class Source:
    """Where the next TwiML comes from: an address, or the text itself."""

    url: str = ""
    method: str = "POST"
    twiml: str = ""
    parameters: tuple[tuple[str, str], ...] = ()
    """What the request carries beside the call's own."""


@dataclass(frozen=True)
class Interruption:
    """Cuts off the TwiML that is being carried out. `source`: what comes instead; None: the call ends."""

    by: str
    source: Source | None = None


@dataclass(frozen=True)
class MachineDetection:
    """Asynchronous answering machine detection: https://www.twilio.com/docs/voice/answering-machine-detection"""

    mode: str
    """`Enable` or `DetectMessageEnd`."""
    callback: str = ""
    callback_method: str = "POST"
    timeout_seconds: float = 30
    speech_ms: float = 2400
    """Who speaks for longer at once is a machine."""
    speech_end_ms: float = 1200
    """Who is silent for so long after speaking has finished."""
    silence_ms: float = 5000
    """Who says nothing for so long is `unknown`."""


@dataclass(frozen=True)
class Settings:
    """What Twilio was told about this call, by its creator or by the number that is called."""

    source: Source
    fallback_url: str = ""
    fallback_method: str = "POST"
    status_callback: str = ""
    status_callback_method: str = "POST"
    status_events: frozenset[str] = frozenset({"completed"})
    ring_seconds: float = 60
    limit_seconds: float = 14_400
    send_digits: str = ""
    machine_detection: MachineDetection | None = None


class SimulatedCall:
    """Wait with `await call.wait_for("stream started")`; look at `heard`, `streams`, `webhooks`, `ended`."""

    def __init__(self, record: CallRecord, settings: Settings, behaviour: Behaviour, story: Story) -> None:
        self.record = record
        self.settings = settings
        self.behaviour = behaviour
        self.story = story
        self.streams: list[MediaStream] = []
        self.webhooks: list[Exchange] = []
        """Every request made for this call, in the order of their answers."""
        self.line: Line | None = None
        self.interruptions: asyncio.Queue[Interruption] = asyncio.Queue()
        self.over = asyncio.Event()
        """The call has ended and its last callback was answered."""

    @property
    def sid(self) -> str:
        return self.record.sid

    @property
    def heard(self) -> list[str]:
        """What the phone's ear heard, one text a speech; a speech without a watermark is ''.

        A phrase that was cut off reads as the whole phrase: how much was heard is in `line.heard`.
        """
        return [str(moment.data["text"] or "") for moment in self.story.all("agent stopped speaking")]

    @property
    def spoken(self) -> list[str]:
        """What the phone said, as far as it has words."""
        return [str(moment.data["text"] or "") for moment in self.story.all("caller started speaking")]

    @property
    def recorded(self) -> str | None:
        """What a mailbox has recorded after its beep; None: there was no beep, or nothing was said."""
        beeps = self.story.all("beep")
        if not beeps or self.line is None:
            return None
        began = int(str(beeps[-1].data["call_ms"])) * BYTES_PER_MS
        return watermark.read(bytes(self.line.heard[began:]))

    @property
    def ended(self) -> Moment | None:
        """How it ended: `data` holds Twilio's `status` and `by` whom."""
        return next(iter(self.story.all("ended")), None)

    async def wait_for(self, name: str, *, count: int = 1, timeout_s: float = 20) -> Moment:
        """See Story.wait_for."""
        return await self.story.wait_for(name, count=count, timeout_s=timeout_s)

    async def wait_until_over(self, timeout_s: float = 30) -> Moment:
        """Until the last callback has been answered; returns the moment `ended`. Raises TimeoutError."""
        ended = await self.wait_for("ended", timeout_s=timeout_s)
        async with asyncio.timeout(timeout_s):
            await self.over.wait()
        return ended

    async def until_played(self, ms: float, timeout_s: float = 20) -> None:
        """Until Twilio has played so much of what was sent on the first stream. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while self.line is not None and self.streams[0].playout.played_ms < ms:
                await self.line.next_tick()

    def connect_phone(self, lines: Sequence[PreparedLine], jitter_buffer_ms: float) -> Line:
        self.line = Line(Phone(self.behaviour, lines, self.story.tell), jitter_buffer_ms)
        return self.line

    def hang_up(self) -> None:
        """The person at the phone does, at whatever stage the call is."""
        self.interrupt(Interruption("caller"))

    def interrupt(self, interruption: Interruption) -> None:
        if not self.record.is_over:
            self.interruptions.put_nowait(interruption)

    @property
    def audio_wav(self) -> bytes:
        """What the caller said (left) and heard (right) since the answer; silent when nobody answered."""
        line = self.line
        return stereo_wav(bytes(line.said), bytes(line.heard)) if line else stereo_wav(b"", b"")

    def as_json(self) -> dict[str, Any]:
        return {
            "call_sid": self.sid,
            "direction": self.record.direction,
            "from": self.record.from_,
            "to": self.record.to,
            "status": self.record.status,
            "heard": self.heard,
            "spoken": self.spoken,
            "streams": [
                {
                    "stream_sid": stream.sid,
                    "ended_by": stream.ended_by,
                    "error_code": stream.error_code,
                    "warnings": stream.warnings,
                    "received_ms": stream.playout.received_bytes / 8,
                    "played_ms": stream.playout.played_ms,
                }
                for stream in self.streams
            ],
            "ended": self.ended.as_json() if self.ended else None,
        }
