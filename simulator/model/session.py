"""One Realtime session as a synchronous machine: client frames and the time go in, server frames come out.

Nothing here waits, sleeps or looks at a clock. `deadline` says when to call `tick`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, cast

from simulator.audio import watermark
from simulator.audio.mulaw import BYTES_PER_MS
from simulator.model import mcp
from simulator.model.client_events import check, parse
from simulator.model.conversation import Conversation, Item
from simulator.model.input_audio import InputAudio
from simulator.model.news import News
from simulator.model.outlet import Outgoing, Outlet, Recognise
from simulator.model.reply import Cause, FunctionOutput, Mind, Say
from simulator.model.response import Response
from simulator.model.response_options import response_options
from simulator.model.session_config import new_session, updated_session
from simulator.model.session_faults import SessionFault, Troubles
from simulator.model.settings import ModelBehaviour, ModelTiming
from simulator.model.shapes import Json, Refused
from simulator.model.stats import SessionRecord, Truncation
from simulator.model.transcription import Transcriptions
from simulator.model.usage import Tokens
from simulator.model.voice_activity import SpeechStarted, SpeechStopped

_EXPIRED = "Your session hit the maximum duration of {minutes:g} minutes."
_SHORTEST_COMMIT_MS = 100


class Session:
    """A conversation on one socket."""

    def __init__(
        self,
        model: str,
        mind: Mind,
        *,
        timing: ModelTiming,
        behaviour: ModelBehaviour,
        seed: int,
        now: float,
        epoch: int,
        recognises: bool = False,
    ) -> None:
        """`now` is monotonic, `epoch` the time of day, both in seconds. `recognises`: unmarked speech is
        worth a `Recognise`.
        """
        self._timing = timing
        self._behaviour = behaviour
        self._mind = mind
        self._recognises = recognises
        self._outlet = Outlet(behaviour, seed)
        self._expires = now + timing.session_limit_s
        session_id = self._outlet.new_id("sess")
        self._config = new_session(session_id, model, epoch + int(timing.session_limit_s))
        self._conversation = Conversation(self._outlet.new_id("conv"))
        self._input = InputAudio(self._sound("input"), self._turn_detection)
        self._tokens = Tokens()
        self._transcriptions = Transcriptions(timing, self._outlet)
        self._responses: list[Response] = []
        self._speech_item_id = ""
        self._listening: set[str] = set()
        self._news = News()
        self._troubles = Troubles()
        self._played_out: float | None = None
        self._silent_since_ms = 0
        self._spoken = False
        self.record = SessionRecord(
            session_id, model, self._conversation, self._outlet.errors, self._transcriptions.told
        )

    # --- what the shell calls ---

    def opened(self) -> list[Outgoing]:
        if not self._behaviour.mute:
            self._outlet.emit("session.created", session=self._config)
        return self._outlet.take()

    def handle(self, message: str | bytes, now: float) -> list[Outgoing]:
        """A client frame. Never raises on anything a client can send."""
        self._advance(now)
        event_id: str | None = None
        try:
            event = parse(message)
            given_id = event.get("event_id")
            event_id = given_id if isinstance(given_id, str) else None
            check(event)
            if event["type"] != "input_audio_buffer.append":
                self.record.received.append(event)
            if not self._behaviour.mute:
                self._DEEDS[cast("str", event["type"])](self, event, now)
        except Refused as refused:
            self._outlet.error(refused, event_id)
        self._advance(now)
        return self._outlet.take()

    def tick(self, now: float) -> list[Outgoing]:
        self._advance(now)
        return self._outlet.take()

    def spoken(self, response_id: str, part: int, mulaw: bytes | None, now: float) -> list[Outgoing]:
        """The speech that a `Speak` asked for; None: it could not be made."""
        for response in self._responses:
            if response.id == response_id:
                response.spoken(part, mulaw, now)
        return self.tick(now)

    def recognised(self, item_id: str, text: str | None, now: float) -> list[Outgoing]:
        """What a `Recognise` found out."""
        self._listening.discard(item_id)
        self._understood(item_id, text)
        return self.tick(now)

    def fail(self, fault: SessionFault, now: float) -> list[Outgoing]:
        """Something goes wrong, now or with the next turn."""
        if fault == "expire":
            self._expires = now
        elif fault == "stall" and self._active is not None:
            self._active.stall()
        else:
            self._troubles.add(fault)
        return self.tick(now)

    def leftovers(self) -> list[str]:
        return self._mind.leftovers()

    @property
    def deadline(self) -> float | None:
        """When `tick` has something to do. None: never again."""
        if self._outlet.closed:
            return None
        times = [
            self._expires,
            self._idle_at,
            self._transcriptions.deadline(responding=self._active is not None),
        ]
        times += [response.deadline for response in self._responses]
        return min(time for time in times if time is not None)

    # --- time ---

    def _advance(self, now: float) -> None:
        if now >= self._expires and not self._outlet.closed:
            text = _EXPIRED.format(minutes=self._timing.session_limit_s / 60)
            self._outlet.error(Refused("session_expired", text), None)
            self._outlet.close(1001, text)
        if self._outlet.closed:
            return
        self._decide(now)
        for response in list(self._responses):
            response.advance(now)
            if not response.active:
                self._response_over(response, now)
        if self._idle_at is not None and now >= self._idle_at:
            self._idle_timeout(now)
        self._transcriptions.advance(now, responding=self._active is not None)

    @property
    def _idle_at(self) -> float | None:
        detection = self._turn_detection or {}
        timeout_ms = detection.get("idle_timeout_ms")
        speaking = self._input.voice is not None and self._input.voice.speaking
        if timeout_ms is None or self._played_out is None or self._active is not None or speaking:
            return None
        return self._played_out + timeout_ms / 1000

    def _idle_timeout(self, now: float) -> None:
        self._played_out = None
        start_ms, end_ms = self._silent_since_ms, self._input.clock_ms
        item_id = self._outlet.new_id("item")
        place = {"audio_start_ms": start_ms, "audio_end_ms": end_ms, "item_id": item_id}
        self._outlet.emit("input_audio_buffer.timeout_triggered", **place)
        self._commit(item_id, self._input.between(start_ms, end_ms), now)
        self._input.forget_until(end_ms)
        self._respond("silence", {}, now)

    # --- the caller's voice ---

    def _append(self, event: Json, now: float) -> None:
        changes = self._input.append_base64(event["audio"])
        self.record.appended_ms = self._input.clock_ms
        for change in changes:
            if isinstance(change, SpeechStarted):
                self._speech_started(change, now)
            else:
                self._speech_stopped(change, now)

    def _speech_started(self, change: SpeechStarted, now: float) -> None:
        self._speech_item_id = self._outlet.new_id("item")
        place = {"audio_start_ms": change.audio_start_ms, "item_id": self._speech_item_id}
        self._outlet.emit("input_audio_buffer.speech_started", **place)
        active = self._active
        if (
            active is not None
            and self._turn_detection is not None
            and self._turn_detection["interrupt_response"]
        ):
            active.cancel("turn_detected")
            self._response_over(active, now)

    def _speech_stopped(self, change: SpeechStopped, now: float) -> None:
        place = {"audio_end_ms": change.audio_end_ms, "item_id": self._speech_item_id}
        self._outlet.emit("input_audio_buffer.speech_stopped", **place)
        self._commit(
            self._speech_item_id, self._input.between(change.audio_start_ms, change.audio_end_ms), now
        )
        self._input.forget_until(change.audio_end_ms)
        if self._turn_detection is not None and self._turn_detection["create_response"]:
            try:
                self._refuse_second_response()
                self._respond("caller", {}, now)
            except Refused as refused:
                self._outlet.error(refused, None)

    def _commit_by_hand(self, event: Json, now: float) -> None:
        mulaw = self._input.take_all()
        self._commit(self._outlet.new_id("item"), mulaw, now)

    def _commit(self, item_id: str, mulaw: bytes, now: float) -> None:
        previous = self._conversation.last_id
        content: list[Json] = [{"type": "input_audio", "transcript": None}]
        wire = {
            "id": item_id,
            "object": "realtime.item",
            "type": "message",
            "status": "completed",
            "role": "user",
        }
        item = Item({**wire, "content": content}, bytearray(mulaw))
        self._conversation.append(item)
        self._outlet.emit("input_audio_buffer.committed", previous_item_id=previous, item_id=item_id)
        self._announce(item)
        transcription: Json | None = self._config["audio"]["input"]["transcription"]
        if transcription is not None:
            self._transcriptions.begin(item, transcription["model"], now)
        text = watermark.read(mulaw)
        if text is None and self._recognises and len(mulaw) >= _SHORTEST_COMMIT_MS * BYTES_PER_MS:
            self._listening.add(item_id)
            self._outlet.send(Recognise(item_id, mulaw))
        else:
            self._understood(item_id, text)

    def _understood(self, item_id: str, text: str | None) -> None:
        if text:
            self._news.heard.append(text)
            self.record.heard.append(text)
        self._transcriptions.heard(item_id, text)

    def _clear_input(self, event: Json, now: float) -> None:
        self._input.clear()
        self._outlet.emit("input_audio_buffer.cleared")

    def _clear_output(self, event: Json, now: float) -> None:
        message = "output_audio_buffer.clear is only available on WebRTC and SIP sessions."
        raise Refused("invalid_value", message, "type")

    # --- settings ---

    def _update(self, event: Json, now: float) -> None:
        responding = bool(self._responses)
        updated = updated_session(self._config, event["session"], spoken=self._spoken, responding=responding)
        if any(updated[name] != self._config[name] for name in ("instructions", "tools")):
            self._tokens.forget()
        had_timeout = (self._turn_detection or {}).get("idle_timeout_ms")
        if self._behaviour.keeps_pcm:
            for side in ("input", "output"):
                updated["audio"][side]["format"] = {"type": "audio/pcm", "rate": 24000}
        self._config = updated
        self._input.configure(self._sound("input"), self._turn_detection)
        if self._played_out is not None and had_timeout is None:
            self._played_out = max(self._played_out, now)
        self.record.instructions = self._config["instructions"]
        self._outlet.emit("session.updated", session=self._config)
        mcp.list_tools(self._config["tools"], self._conversation, self._outlet)

    @property
    def _turn_detection(self) -> Json | None:
        return self._config["audio"]["input"]["turn_detection"]

    def _sound(self, side: str) -> Json:
        return self._config["audio"][side]["format"]

    # --- the conversation ---

    def _announce(self, item: Item) -> None:
        previous = self._conversation.previous_of(item)
        self._outlet.emit("conversation.item.added", previous_item_id=previous, item=item.snapshot())
        self._outlet.emit("conversation.item.done", previous_item_id=previous, item=item.snapshot())

    def _create_item(self, event: Json, now: float) -> None:
        new_id = self._outlet.new_id("item")
        item = self._conversation.create(event["item"], event.get("previous_item_id"), new_id)
        if item.wire["type"] == "function_call_output":
            name = self._conversation.function_name(item.wire["call_id"])
            self._news.outputs.append(FunctionOutput(name, item.wire["output"]))
        elif item.wire.get("role") in ("user", "system") and item.text:
            self._news.notes.append(item.text)
        elif item.wire.get("role") == "assistant":
            self._news.answered()
        self._announce(item)

    def _retrieve_item(self, event: Json, now: float) -> None:
        item = self._conversation.require(event["item_id"], "retrieve", "retrieving")
        self._outlet.emit("conversation.item.retrieved", item=item.with_audio())

    def _truncate_item(self, event: Json, now: float) -> None:
        item_id, end_ms = event["item_id"], event["audio_end_ms"]
        found = self._conversation.find(item_id)
        produced_ms = 0 if found is None else found.audio_ms
        self.record.truncations.append(Truncation(item_id, end_ms, produced_ms))
        self._conversation.truncate(item_id, event["content_index"], end_ms)
        self._tokens.forget()
        place = {"item_id": item_id, "content_index": event["content_index"], "audio_end_ms": end_ms}
        self._outlet.emit("conversation.item.truncated", **place)

    def _delete_item(self, event: Json, now: float) -> None:
        self._conversation.delete(event["item_id"])
        self.record.deleted.append(event["item_id"])
        self._tokens.forget()
        self._outlet.emit("conversation.item.deleted", item_id=event["item_id"])

    # --- responses ---

    @property
    def _active(self) -> Response | None:
        """The one that writes to the conversation."""
        running = (r for r in self._responses if r.active and r.options.conversation is not None)
        return next(running, None)

    def _refuse_second_response(self) -> None:
        if self._active is not None:
            raise Refused(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {self._active.id}. "
                "Wait until the response is finished before creating a new one.",
            )

    def _create_response(self, event: Json, now: float) -> None:
        params = cast("Json", event.get("response") or {})
        if params.get("conversation") != "none":
            self._refuse_second_response()
        self._respond("asked", params, now)

    def _respond(self, cause: Cause, params: Json, now: float) -> None:
        self._played_out = None
        if self._troubles.swallow_turn():
            return
        due = now + self._timing.first_audio_ms / 1000
        options = response_options(self._config, params, cause, self._conversation, self._tokens)
        self._responses.append(Response(options, self._timing, self._outlet, due))
        self.record.responses += 1
        self._decide(now)

    def _decide(self, now: float) -> None:
        """What to say, once everything the caller said is understood."""
        if self._listening:
            return
        for response in self._responses:
            if response.active and not response.decided:
                turn = self._news.turn(self.record.instructions, response.options, self._conversation)
                reply = self._troubles.instead_of(self._mind.reply(turn))
                self.record.said += [part.text for part in reply if isinstance(part, Say)]
                response.reply(reply, now)

    def _response_over(self, response: Response, now: float) -> None:
        self._responses = [r for r in self._responses if r is not response]
        self._spoken = self._spoken or response.audio_s > 0
        if response.options.conversation is not None:
            # The server takes the client to begin playing when the response is done.
            self._played_out = now + response.audio_s
            self._silent_since_ms = self._input.clock_ms

    def _cancel_response(self, event: Json, now: float) -> None:
        wanted: str | None = event.get("response_id")
        running = {response.id: response for response in self._responses}
        response = self._active if wanted is None else running.get(wanted)
        if response is None:
            raise Refused("response_cancel_not_active", "Cancellation failed: no active response found")
        response.cancel("client_cancelled")
        self._response_over(response, now)

    _DEEDS: ClassVar[dict[str, Callable[[Session, Json, float], None]]] = {
        "session.update": _update,
        "input_audio_buffer.append": _append,
        "input_audio_buffer.commit": _commit_by_hand,
        "input_audio_buffer.clear": _clear_input,
        "output_audio_buffer.clear": _clear_output,
        "conversation.item.create": _create_item,
        "conversation.item.retrieve": _retrieve_item,
        "conversation.item.truncate": _truncate_item,
        "conversation.item.delete": _delete_item,
        "response.create": _create_response,
        "response.cancel": _cancel_response,
    }
