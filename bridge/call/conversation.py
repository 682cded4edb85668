"""Who is speaking, what was said, and what of it was heard: the talk itself, whatever becomes of the call."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from bridge.call.agent import AgentConfig
from bridge.call.caller_line import CallerLine
from bridge.call.clock import CallClock
from bridge.call.commands import Command, Record, SaveTotals, SendToModel, SendToPhone
from bridge.call.cost import cost_of
from bridge.call.engine import (
    AgentAudioEnded,
    CallerStartedSpeaking,
    CallerStoppedSpeaking,
    Engine,
    ItemAdded,
    ItemText,
    ModelEvent,
    ModelTrouble,
    ResponseEnded,
    ResponseStarted,
    UsageCounted,
)
from bridge.call.events import ToolReturned
from bridge.call.playback import Settled
from bridge.call.speaking import Speaking
from bridge.call.transcript import Transcript
from bridge.call.turns import Turns


class Conversation:
    """Appends what is to be done to the call's own list of commands."""

    def __init__(
        self,
        agent: AgentConfig,
        engine: Engine,
        line: CallerLine,
        clock: CallClock,
        out: list[Command],
        prices: Mapping[str, Decimal],
    ) -> None:
        self.caller_speaking = False
        self.response: str | None = None
        """The response that is being generated."""
        self.spoke_last = False
        """The agent has said something since the caller last did."""
        self.quiet_since: float | None = None
        """Since when nobody has said anything; None: not known yet."""
        self.clear_until: float | None = None
        """By when Twilio must have said that a `clear` took effect."""
        self.untranscribed: set[str] = set()
        """What the caller said and has not come back as text."""
        self.greeted = False

        self._transcribes = agent.transcription_model is not None
        self._engine = engine
        self._line = line
        self._clock = clock
        self._out = out
        self._speaking = Speaking()
        self._transcript = Transcript()
        self._turns = Turns()
        self._usage: dict[str, int] = {}
        self._prices = prices
        self._voiced = False
        """The running response has been heard from."""

    @property
    def playing(self) -> bool:
        """Agent audio is queued that is not known to have been heard."""
        return self._speaking.playing

    @property
    def settled(self) -> bool:
        """Everything the agent said was heard, or is known not to have been."""
        return not self._speaking.playing and not self._speaking.playback.clearing

    @property
    def silent(self) -> bool:
        """Nobody speaks: not the caller, and nothing of the agent's is being made or played."""
        return not (self.caller_speaking or self.response is not None or self.playing)

    def unplayed_ms(self) -> int:
        return self._speaking.playback.unplayed_ms(self._line.stream_ms)

    def take_in(self, event: ModelEvent) -> None:
        """What the model says that changes the talk, and not the course of the call."""
        match event:
            case CallerStoppedSpeaking():
                self._caller_stopped(event)
            case ItemAdded():
                self._item_added(event)
            case ItemText():
                self._item_text(event)
            case AgentAudioEnded():
                frames = self._speaking.ended(event.item_id)
                self._out.extend(SendToPhone(frame) for frame in frames)
            case UsageCounted():
                self._usage_counted(event)
            case ModelTrouble():
                self.record("model.error", code=event.code, message=event.message)
            case _:
                pass

    # The agent speaks

    def stream_started(self, stream_sid: str) -> bool:
        """The phone is there: what the agent has said already goes out. True: it has."""
        self.quiet_since = self._clock.now
        frames = self._speaking.stream_started(stream_sid)
        self._out.extend(SendToPhone(frame) for frame in frames)
        return bool(frames)

    def agent_audio(self, item_id: str, payload: str) -> tuple[list[str], bool]:
        """Frames for the phone, and whether they are the first of a response."""
        frames = self._speaking.audio(item_id, payload)
        first = not self._voiced and self._speaking.playing
        if first:
            self._voiced = True
            self._turns.agent_spoke(self._clock.now)
        return frames, first and bool(frames)

    def first_audio_written(self, now: float) -> None:
        self.spoke_last = self.greeted = True
        turn = self._turns.audio_written(now, self._clock.answered_at or now)
        data: dict[str, Any] = {}
        if turn is not None:
            data = {
                "response_ms": turn.response_ms,
                "vad_ms": turn.vad_ms,
                "model_ms": turn.model_ms,
                "bridge_ms": turn.bridge_ms,
            }
            if turn.estimated:
                data["estimated"] = True
        self._out.append(Record("agent.started_speaking", self._clock.offset_ms(now), data))
        self._out.append(self.totals())

    def response_started(self, event: ResponseStarted) -> None:
        self.response, self._voiced = event.response_id, False

    def response_ended(self, event: ResponseEnded) -> None:
        self.response, self._voiced = None, False
        self.quiet_since = self._clock.now

    def model_lost(self) -> None:
        """Nothing more comes; what Twilio has is still being played."""
        self.response = None
        for item in self._speaking.items.values():
            item.ended = True

    # The caller speaks

    def caller_started(self, event: CallerStartedSpeaking) -> None:
        self.caller_speaking = True
        self._turns.caller_started()
        self._transcript.caller_started(event.item_id, self._session_offset_ms(event.audio_ms))
        if event.interrupts:
            self._interrupt()
        self.record("caller.started_speaking", item_id=event.item_id)

    def _interrupt(self) -> None:
        playback = self._speaking.playback
        if playback.clearing and playback.playing:
            self.clear_took_effect()
        cut = self._speaking.playing
        frames = self._speaking.interrupt()
        self._out.extend(SendToPhone(frame) for frame in frames)
        if frames:
            self.clear_until = self._clock.now + CLEAR_SECONDS
        if cut:
            self.record("agent.interrupted")

    def _caller_stopped(self, event: CallerStoppedSpeaking) -> None:
        now = self._clock.now
        self.caller_speaking = self.spoke_last = False
        self.quiet_since = now
        ended_at = now - max(0, self._line.sent_ms - event.audio_ms) / 1000
        self._turns.caller_stopped(ended_at=ended_at, noticed_at=now, estimated=event.estimated)
        self._transcript.caller_stopped(event.item_id, self._session_offset_ms(event.audio_ms))
        if self._transcribes:
            self.untranscribed.add(event.item_id)
        self.record("caller.stopped_speaking", item_id=event.item_id)

    def _session_offset_ms(self, audio_ms: int) -> int:
        """A position in the caller audio sent to the model, as milliseconds from the answer."""
        return max(0, self._clock.offset_ms() - max(0, self._line.sent_ms - audio_ms))

    # Words

    def _item_added(self, event: ItemAdded) -> None:
        self._transcript.place(event.item_id, event.previous_item_id, event.role)
        if event.role == "agent":
            self._speaking.expect(event.item_id)

    def _item_text(self, event: ItemText) -> None:
        self._transcript.text(event.item_id, event.text, final=event.final, role=event.role)
        if event.final:
            self.untranscribed.discard(event.item_id)

    def _usage_counted(self, event: UsageCounted) -> None:
        for kind, count in event.tokens.items():
            self._usage[kind] = self._usage.get(kind, 0) + count
        self._out.append(self.totals())

    def totals(self) -> SaveTotals:
        return SaveTotals(dict(self._usage), self._turns.summary(), self.cost())

    def cost(self) -> Decimal | None:
        """The voice model's share so far, US dollars; None: unknown."""
        return cost_of(self._usage, self._prices)

    def tool_called(self, item_id: str) -> None:
        self._transcript.tool_called(item_id, self._clock.offset_ms())

    def tool_returned(self, item_id: str, name: str, event: ToolReturned) -> None:
        """The operator learns what became of it; what it said is between it and the model."""
        self.quiet_since = self._clock.now
        outcome = "done" if event.ok else "failed" if event.status is None else f"failed, {event.status}"
        line = f"{name}: {outcome} after {event.duration_ms} ms"
        self._transcript.tool_returned(item_id, line, self._clock.offset_ms())
        self.record(
            "tool.returned",
            name=name,
            tool_call_id=event.tool_call_id,
            ok=event.ok,
            status=event.status,
            duration_ms=event.duration_ms,
        )

    # What was heard

    def mark_returned(self, name: str) -> None:
        settled = self._speaking.playback.mark_returned(name, self._line.stream_ms)
        if settled is None:
            return
        if settled.cleared:
            self.clear_until = None
        elif not self.caller_speaking:
            self.quiet_since = self._clock.now
        self._count(settled)

    def clear_took_effect(self) -> None:
        """Or must be taken to have: Twilio does not answer."""
        self.clear_until = None
        self._count(self._speaking.playback.cleared(self._line.stream_ms))

    def _count(self, settled: Settled) -> None:
        for heard in self._speaking.count(settled):
            if heard.started_ms is not None:
                began_ms = self._clock.stream_offset_ms(heard.started_ms)
                self._transcript.agent_started(heard.item_id, began_ms)

    def cut_unheard(self) -> None:
        """What was not heard by now never will be."""
        playback = self._speaking.playback
        clearing, playing = playback.clearing, playback.playing
        if clearing:
            self.clear_took_effect()
        self._speaking.interrupt()
        if playing:
            self.clear_took_effect()

    def take_stock(self) -> None:
        """Tells the model and the transcript of the items whose fate is known by now."""
        for item in self._speaking.finished():
            if item.cut:
                frames = self._engine.interrupted(item.item_id, item.heard_ms, item.received_ms)
                self._out.extend(SendToModel(frame) for frame in frames)
            self._transcript.agent_heard(item.item_id, item.heard_ms, item.received_ms, ended=item.ended)
        self._out.extend(self._transcript.changes(self._clock.offset_ms()))

    def record(self, type_: str, **data: Any) -> None:
        self._out.append(Record(type_, self._clock.offset_ms(), data))


CLEAR_SECONDS = 1.0
"""For Twilio to say that a `clear` took effect; then it is taken to have."""
