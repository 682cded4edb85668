"""Who is speaking, what was said, and what of it was heard: the talk itself, whatever becomes of the call."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from bridge.call.agent import AgentConfig
from bridge.call.agent_line import AgentLine
from bridge.call.caller_line import CallerLine
from bridge.call.caller_words import CallerWords
from bridge.call.clock import CallClock
from bridge.call.commands import Command, Record, SaveLine, SendToPhone
from bridge.call.engine import (
    AgentAudioEnded,
    CallerStartedSpeaking,
    CallerStoppedSpeaking,
    HistoryItem,
    ItemAdded,
    ItemReplaced,
    ItemText,
    ModelEvent,
    ModelTrouble,
    ResponseStarted,
    ToolCalled,
    ToolRan,
    UsageCounted,
)
from bridge.call.events import ToolReturned
from bridge.call.heard_so_far import HeardSoFar
from bridge.call.lines import Line
from bridge.call.owed import Owed
from bridge.call.past import Past
from bridge.call.playback import Settled
from bridge.call.sessions import Sessions
from bridge.call.speaking import Speaking
from bridge.call.totals import Totals
from bridge.call.transcript import Transcript
from bridge.wire import pcmu


class Conversation:
    """Appends what is to be done to the call's own list of commands."""

    def __init__(
        self,
        agent: AgentConfig,
        model: Sessions,
        line: CallerLine,
        clock: CallClock,
        out: list[Command],
        prices: Mapping[str, Decimal],
        past: Past,
    ) -> None:
        self.response: str | None = None
        """The response that is being generated."""
        self.spoke_last = False
        """The agent has said something since the caller last did."""
        self.quiet_since: float | None = None
        """Since when nobody has said anything, and nothing else has happened; None: not known yet."""
        self.silence_since: float | None = None
        """Since when the caller has heard nothing, and said nothing; None: not known yet."""
        self.clear_until: float | None = None
        """By when Twilio must have said that a `clear` took effect."""
        self.due_since: float | None = None
        """Since when it is for the agent to speak, and it does not; None: it is not, or it does."""
        self.silent_ms = 0
        """Of the running response, as long as nothing could be heard of it."""
        self.greeted = bool(past.lines)
        self.owed = Owed(past)
        self.totals = Totals(prices, past)

        self._model = model
        self._line = line
        self._clock = clock
        self._out = out
        self._speaking = Speaking()
        self.agent_line = AgentLine(self._speaking, model.engine.speech_shape)
        self._transcript = Transcript(past.lines)
        self.caller = CallerWords(
            line, self._transcript, clock, transcribed=agent.transcription_model is not None
        )
        self.heard_so_far = HeardSoFar(self._speaking, self._transcript, line, clock, out)
        self._turns = self.totals.turns
        self._canned = 0
        """How often something was said, or pressed, from memory."""
        self._pressed: dict[str, bool] = {}
        self._voiced = False
        """The running response has been heard from."""
        self.response_since = 0.0

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
        return not (self.caller.speaking or self.response is not None or self.playing)

    @property
    def thinking(self) -> bool:
        """A response has begun of which nothing was heard yet."""
        return self.response is not None and not self._voiced

    @property
    def quiet(self) -> bool:
        """Nobody would notice if somebody else took over now."""
        return self.silent and self.settled and self.due_since is None and not self.caller.untranscribed

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
                self._send(self._speaking.ended(event.item_id))
            case UsageCounted():
                self.totals.used(event.tokens)
            case ItemReplaced():
                self.caller.replace(event.item_id, event.new_item_id)
            case ModelTrouble():
                self.record("model.error", code=event.code, message=event.message)
            case _:
                pass

    # The agent speaks

    def stream_started(self, stream_sid: str) -> bool:
        """The phone is there: what the agent has said already goes out. True: it has."""
        self.quiet_since = self._clock.now
        if self.silence_since is None:
            self.silence_since = self._clock.now
        self._line.new_stream()
        frames = self._speaking.stream_started(stream_sid)
        self._send(frames)
        return bool(frames)

    def agent_audio(self, item_id: str, payload: str) -> tuple[list[str], bool]:
        """Frames for the phone, and whether they are the first of a response."""
        frames = self._speaking.audio(item_id, payload)
        if self.silent_ms >= 0:
            self._mind_silence(payload)
        first = not self._voiced and self._speaking.playing
        if first:
            self._voiced = True
            self._turns.agent_spoke(self._clock.now)
            self.caller.answered()
            self.owed.settled()
        self.agent_line.came(item_id, audible=self._voiced and self.silent_ms < 0)
        return frames, first and bool(frames)

    def _mind_silence(self, payload: str) -> None:
        """A model may send audio in which there is nothing; once there is something, it is taken at its
        word."""
        if pcmu.is_silent(payload):
            self.silent_ms += pcmu.payload_bytes(payload) // pcmu.BYTES_PER_MS
        else:
            self.silent_ms = -1
            self.due_since = None

    def say_line(self, line: Line) -> None:
        """Speech from memory, where the model does not speak."""
        self._canned += 1
        item_id = f"line_{self._canned}"
        self._transcript.canned(item_id, line.text)
        self._send(self._speaking.play(item_id, line.payload))
        self.record("agent.line_played", text=line.text)

    def press_keys(self, payload: str) -> str:
        """Tones, which nothing interrupts: a menu talks on while its keys are pressed. Returns the item."""
        self._canned += 1
        item_id = f"tones_{self._canned}"
        self._send(self._speaking.play(item_id, payload, tones=True))
        return item_id

    def take_pressed(self) -> dict[str, bool]:
        """The tones whose fate is known by now, each once; whether they were heard to the end."""
        pressed, self._pressed = self._pressed, {}
        return pressed

    def _send(self, frames: list[str]) -> None:
        self._out.extend(SendToPhone(frame) for frame in frames)

    def first_audio_written(self, now: float) -> None:
        first, self.spoke_last, self.greeted = not self.greeted, True, True
        turn = self._turns.audio_written(now, self._clock.answered_at or now)
        data = {} if turn is None else turn.parts
        self._out.append(Record("agent.started_speaking", self._clock.offset_ms(now), data))
        if first:
            # Nobody could say it later; the turns can be had from the events, too.
            self._out.append(self.totals.now())

    def response_started(self, event: ResponseStarted) -> None:
        self.response, self._voiced = event.response_id, False
        self.response_since = self._clock.now
        self.silent_ms = 0
        self.due()

    def silent_for(self) -> float:
        """How long the caller has heard nothing, in seconds."""
        return 0.0 if self.silence_since is None else self._clock.now - self.silence_since

    def due(self) -> None:
        """It is for the agent to speak."""
        if self.due_since is None:
            self.due_since = self._clock.now

    def response_ended(self, *, more_to_come: bool) -> None:
        """`more_to_come`: a tool that it has called runs, or it was cut off; what was due is due still."""
        self.response, self._voiced = None, False
        self.quiet_since = self._clock.now
        self._out.append(self.totals.now())
        if not more_to_come:
            self.due_since = None

    def silence_cut(self) -> None:
        """What is being played cannot be heard: away with it."""
        self.silent_ms = 0
        self.interrupt()
        self.due()

    # Sessions and streams come and go

    def session_lost(self) -> None:
        """Nothing more comes of the model; what Twilio has is still being played."""
        self.owed.cut_short |= self.response is not None and self._voiced
        if self.response is not None:
            self.due()
        self.response, self._voiced = None, False
        self._speaking.broken()
        self.caller.session_lost()

    def recall(self) -> tuple[list[HistoryItem], bool]:
        """For the next session: what was said; and whether it will hear, from what is kept, something that
        the caller has still to be answered."""
        recalled, heard_again = self.caller.recall()
        return self._transcript.history(self.heard_so_far.in_the_end(), recalled), heard_again

    def stream_lost(self, *, dead_for: float) -> bool:
        """The media socket is gone, with what Twilio had not played. True: the agent was cut. `dead_for`:
        seconds that nothing has gone through it before."""
        self.silence_since = self._clock.now - dead_for
        cut = self._speaking.playing or (self.response is not None and self._voiced)
        self.cut_unheard()
        self._speaking.stream_lost()
        self._line.connected = False
        self.clear_until = None
        self.owed.cut_short |= cut
        if cut and self.due_since is None:
            self.due_since = self.silence_since
        return cut

    # The caller speaks

    def caller_started(self, event: CallerStartedSpeaking) -> None:
        self.due_since = None
        self.owed.settled()
        self._turns.caller_started()
        self.caller.started(event)
        if event.interrupts:
            self.interrupt()
        self.record("caller.started_speaking", item_id=event.item_id)

    def keys_pressed(self, text: str, number: int) -> str:
        """The caller has entered something, the `number`-th thing here; returns its item."""
        self.spoke_last = False
        return self.caller.keyed(text, number)

    def interrupt(self) -> None:
        if self._speaking.pressing:
            return
        playback = self._speaking.playback
        if playback.clearing and playback.playing:
            self.clear_took_effect()
        cut = self._speaking.playing
        frames = self._speaking.interrupt()
        self._send(frames)
        if frames:
            self.clear_until = self._clock.now + CLEAR_SECONDS
        if cut:
            self.record("agent.interrupted")

    def _caller_stopped(self, event: CallerStoppedSpeaking) -> None:
        now = self._clock.now
        self.spoke_last = False
        self.quiet_since = self.silence_since = now
        self.due()
        ended_at = now - max(0, self._line.sent_ms - event.audio_ms) / 1000
        self._turns.caller_stopped(ended_at=ended_at, noticed_at=now, estimated=event.estimated)
        self.caller.stopped(event)
        self.record("caller.stopped_speaking", item_id=event.item_id)

    # Words

    def _item_added(self, event: ItemAdded) -> None:
        self._transcript.place(event.item_id, event.previous_item_id, event.role)
        if event.role == "agent":
            self._speaking.expect(event.item_id)

    def _item_text(self, event: ItemText) -> None:
        self._transcript.text(event.item_id, event.text, final=event.final, role=event.role)
        if event.final and event.role == "caller":
            self.caller.understood(event.item_id)

    def tool_called(self, event: ToolCalled) -> SaveLine:
        call = ToolRan(event.tool_call_id, event.name, event.arguments, None)
        return self._transcript.tool_called(event.item_id, call, self._clock.offset_ms())

    def tool_returned(self, item_id: str, name: str, event: ToolReturned) -> None:
        """The operator learns what became of it; what it said is between it and the model."""
        self.quiet_since = self._clock.now
        outcome = "done" if event.ok else "failed" if event.status is None else f"failed, {event.status}"
        line = f"{name}: {outcome} after {event.duration_ms} ms"
        self._transcript.tool_returned(item_id, event.output, line, self._clock.offset_ms())
        self.record(
            "tool.returned",
            name=name,
            tool_call_id=event.tool_call_id,
            ok=event.ok,
            status=event.status,
            duration_ms=event.duration_ms,
        )

    # What was heard

    def mark_passed(self, name: str) -> bool:
        """A mark from which nothing follows but that more was heard. False: it may be another, and is not
        taken."""
        return self._speaking.playback.mark_passed(name, self._line.stream_ms)

    def mark_returned(self, name: str) -> bool:
        """False: nothing follows from it."""
        settled = self._speaking.playback.mark_returned(name, self._line.stream_ms)
        if settled is None:
            return False
        if settled.cleared:
            self.clear_until = None
        elif not self.caller.speaking:
            self.quiet_since = self.silence_since = self._clock.now
            if self.response is not None:
                self.due()
        self._count(settled)
        return True

    def clear_took_effect(self) -> None:
        """Or must be taken to have: Twilio does not answer."""
        self.clear_until = None
        self._count(self._speaking.playback.cleared(self._line.stream_ms))

    def _count(self, settled: Settled) -> None:
        for heard in self._speaking.count(settled):
            if heard.started_ms is not None and not self._speaking.items[heard.item_id].tones:
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
            if item.tones:
                self._pressed[item.item_id] = not item.cut and item.heard_ms >= item.received_ms
                continue
            if item.cut and not item.canned:
                self._model.send(
                    self._model.engine.interrupted(item.item_id, item.heard_ms, item.received_ms)
                )
            self._transcript.agent_heard(item.item_id, item.heard_ms, item.received_ms, ended=item.ended)
        self._out.extend(self._transcript.changes(self._clock.offset_ms()))

    def record(self, type_: str, **data: Any) -> None:
        self._out.append(Record(type_, self._clock.offset_ms(), data))


CLEAR_SECONDS = 1.0
"""For Twilio to say that a `clear` took effect; then it is taken to have."""
