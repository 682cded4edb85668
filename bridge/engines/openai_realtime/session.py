"""One session of OpenAI's Realtime API, GA protocol. https://platform.openai.com/docs/guides/realtime-conversations"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, cast

import msgspec

from bridge.call.agent import AgentConfig, ServerVad
from bridge.call.engine import (
    AgentAudio,
    AgentAudioEnded,
    CallerStartedSpeaking,
    CallerStoppedSpeaking,
    Heard,
    HistoryItem,
    ItemAdded,
    ItemReplaced,
    ItemText,
    ModelEvent,
    ModelTrouble,
    ResponseEnded,
    ResponseStarted,
    SessionFailed,
    SessionReady,
    ToolCalled,
    UsageCounted,
)
from bridge.engines.openai_realtime import catalogue, configuration, failures, usage
from bridge.engines.openai_realtime import server_events as events
from bridge.engines.openai_realtime.history import item_events, worth_committing
from bridge.engines.openai_realtime.mcp import McpCalls
from bridge.engines.openai_realtime.responses import FREELY_SAID, Responses

Outcome = tuple[list[ModelEvent], list[str]]


def _frame(event: dict[str, Any]) -> str:
    return msgspec.json.encode(event).decode()


class RealtimeSession:
    """An `Engine`."""

    append_prefix = '{"type":"input_audio_buffer.append","audio":"'
    append_suffix = '"}'
    speech_shape = events.SPEECH_SHAPE
    session_seconds: float | None = catalogue.SESSION_SECONDS

    def __init__(self, agent: AgentConfig) -> None:
        self._agent = agent
        self._on_the_line = False
        self._interruptible = agent.greeting is None or agent.greeting_interruptible
        self._ready = False
        self._updates = 0
        self._items_made = 0
        self._items_unseen: set[str] = set()
        self._responses = Responses()
        self._cut_responses: set[str] = set()
        self._mcp = McpCalls()
        self._seeded: set[str] = set()
        """Items of ours that say what was said before."""
        self._recalled: list[str] = []
        """By the ids of earlier sessions: caller audio that is being committed again."""
        self.unknown_events = 0

    # What the call wants

    def opened(self, *, opening: bool) -> list[str]:
        return [self._update(configuration.session(self._agent, opening=opening, **self._turn_state()))]

    def seed(self, history: list[HistoryItem]) -> list[str]:
        history = [item for item in history if not isinstance(item, Heard) or worth_committing(item)]
        frames: list[str] = []
        for event in item_events(history):
            if "item" in event:
                event["item"]["id"] = self._new_item_id()
                self._seeded.add(event["item"]["id"])
            frames.append(_frame(event))
        self._recalled.extend(item.item_id for item in history if isinstance(item, Heard))
        if self._recalled:
            return [self._update(_input({"turn_detection": None})), *frames, *self._update_turn_detection()]
        return frames

    def _new_item_id(self) -> str:
        self._items_made += 1
        return f"item_cb{self._items_made}"

    def _turn_state(self) -> dict[str, bool]:
        return {"on_the_line": self._on_the_line, "interruptible": self._interruptible}

    def _update(self, session: dict[str, Any]) -> str:
        self._updates += 1
        return _frame({"type": "session.update", "event_id": f"cfg_{self._updates}", "session": session})

    def _update_turn_detection(self) -> list[str]:
        detection = configuration.turn_detection(self._agent, **self._turn_state())
        return [self._update(_input({"turn_detection": detection}))]

    def stream_started(self) -> list[str]:
        self._on_the_line = True
        detection = self._agent.turn_detection
        waits = isinstance(detection, ServerVad) and detection.idle_timeout_ms is not None
        return self._update_turn_detection() if waits and self._ready else []

    def forbid_interruption(self) -> list[str]:
        if not self._interruptible:
            return []
        self._interruptible = False
        return self._update_turn_detection() if self._ready else []

    def allow_interruption(self) -> list[str]:
        if self._interruptible:
            return []
        self._interruptible = True
        return self._update_turn_detection()

    def speak(self, instructions: str | None, *, purpose: str) -> list[str]:
        if purpose == "greeting" and instructions is not None:
            instructions = configuration.greeting(instructions)
        elif purpose not in FREELY_SAID and instructions is not None:
            instructions = configuration.filler(instructions)
        return self._responses.want(purpose, instructions)

    def interrupted(self, item_id: str, heard_ms: int, received_ms: int) -> list[str]:
        # An item of which nothing was heard goes: truncating one that has no audio yet is an error.
        if heard_ms <= 0 or received_ms <= 0:
            return [_frame({"type": "conversation.item.delete", "item_id": item_id})]
        if heard_ms >= received_ms:
            return []
        truncate = {
            "type": "conversation.item.truncate",
            "item_id": item_id,
            "content_index": 0,
            "audio_end_ms": heard_ms,
        }
        return [_frame(truncate)]

    def stop_speaking(self) -> list[str]:
        active = self._responses.active
        if active is None:
            return []
        self._cut_responses.add(active)
        return [_frame({"type": "response.cancel"})]

    def caller_wrote(self, item_id: str, text: str) -> list[str]:
        self._items_unseen.add(item_id)
        self._seeded.add(item_id)
        content = [{"type": "input_text", "text": text}]
        item = {"id": item_id, "type": "message", "role": "user", "content": content}
        return [_frame({"type": "conversation.item.create", "item": item})]

    def tool_returned(self, tool_call_id: str, output: str) -> list[str]:
        item_id = self._new_item_id()
        self._items_unseen.add(item_id)
        item = {"id": item_id, "type": "function_call_output", "call_id": tool_call_id, "output": output}
        return [_frame({"type": "conversation.item.create", "item": item})]

    # What the model says

    def closed(self, code: int, reason: str) -> SessionFailed:
        # The reason reads `<error.type>.<error.code>` where the service refused.
        named = reason.rsplit(".", 1)[-1] if reason else f"closed_{code}"
        refused = code in failures.REFUSED_CLOSE_CODES or named in failures.REFUSED
        return SessionFailed(refused, named, f"The model closed the connection ({code}).")

    def audio(self, text: str) -> AgentAudio | None:
        delta = events.audio_delta(text)
        if delta is None:
            return None
        if self._cut_responses and delta.response_id in self._cut_responses:
            return AgentAudio(delta.item_id, "")
        return AgentAudio(delta.item_id, delta.delta)

    def received(self, text: str) -> Outcome:
        event = events.decode(text)
        if event is None or isinstance(event, str):
            self.unknown_events += event not in _UNREAD
            return [], []
        handler = self._HANDLERS.get(type(event))
        return handler(self, event) if handler else ([], [])

    def _session_updated(self, event: events.SessionUpdated) -> Outcome:
        audio = event.session.audio
        if (audio.input.format.type, audio.output.format.type) != ("audio/pcmu", "audio/pcmu"):
            formats = f"in {audio.input.format.type or '?'}, out {audio.output.format.type or '?'}"
            return [SessionFailed(True, "format_mismatch", f"The session is not mu-law: {formats}.")], []
        if self._ready:
            return [], []
        self._ready = True
        return [SessionReady()], self.stream_started() if self._on_the_line else []

    def _error(self, event: events.Error) -> Outcome:
        code, message = event.error.code or event.error.type or "error", event.error.message
        ours = event.error.event_id
        if code in failures.REFUSED:
            return [SessionFailed(True, code, message)], []
        if code == failures.EXPIRED:
            return [SessionFailed(False, code, message)], []
        if not self._ready and (ours or "").startswith("cfg_"):
            return [SessionFailed(True, code, message)], []
        if code == failures.ACTIVE_RESPONSE:
            return [], self._responses.refused(ours, message) or []
        if code in failures.EXPECTED or code.endswith("invalid_item_id"):
            return [], []
        frames = self._responses.next() if self._responses.failed(ours) else []
        return [ModelTrouble(code, message)], frames

    def _speech_started(self, event: events.SpeechStarted) -> Outcome:
        self._responses.caller_speaking = True
        interrupts = self._interruptible and self._agent.turn_detection.interrupt_response
        if interrupts and self._responses.active is not None:
            self._cut_responses.add(self._responses.active)
        return [CallerStartedSpeaking(event.item_id, event.audio_start_ms, interrupts)], []

    def _speech_stopped(self, event: events.SpeechStopped) -> Outcome:
        self._responses.caller_speaking = False
        detection = self._agent.turn_detection
        # `audio_end_ms` includes the silence that server VAD waited for; semantic VAD does not say.
        waited_ms = detection.silence_duration_ms if isinstance(detection, ServerVad) else 0
        stopped = CallerStoppedSpeaking(
            event.item_id, max(0, event.audio_end_ms - waited_ms), estimated=not waited_ms
        )
        return [stopped], []

    def _committed(self, event: events.Committed) -> Outcome:
        if self._recalled:
            return [ItemReplaced(self._recalled.pop(0), event.item_id)], []
        placed = ItemAdded(event.item_id, event.previous_item_id, "caller")
        if self._agent.turn_detection.create_response and (
            self._responses.active is None or self._responses.active in self._cut_responses
        ):
            self._responses.turn_taken()
            return [placed], []
        # Nobody else will ask for an answer: turn detection was told not to, or cannot while a response runs.
        return [placed], self._responses.want("answer", None)

    def _item_added(self, event: events.ItemAdded | events.ItemCreated) -> Outcome:
        item = event.item
        self._items_unseen.discard(item.id)
        if not self._items_unseen:
            self._responses.items_seen()
        self._mcp.item_added(item)
        if item.id in self._seeded or item.type != "message" or item.role not in ("user", "assistant"):
            return [], []
        role = "caller" if item.role == "user" else "agent"
        return [ItemAdded(item.id, event.previous_item_id, role)], []

    def _output_item_added(self, event: events.OutputItemAdded) -> Outcome:
        if event.response_id in self._cut_responses and event.item.type == "message":
            return [], self.interrupted(event.item.id, 0, 0)
        self._mcp.item_added(event.item)
        return [], []

    def _output_item_done(self, event: events.OutputItemDone) -> Outcome:
        return self._mcp.item_done(event.item), []

    def _mcp_called(self, event: events.McpCallArgumentsDone) -> Outcome:
        return self._mcp.called(event.item_id, event.arguments), []

    def _mcp_call_ended(self, event: events.McpCallCompleted | events.McpCallFailed) -> Outcome:
        self._mcp.call_ended(event.item_id, ok=isinstance(event, events.McpCallCompleted))
        return [], []

    def _mcp_list_tools_failed(self, event: events.McpListToolsFailed) -> Outcome:
        return self._mcp.listing_failed(event.item_id), []

    def _audio_done(self, event: events.AudioDone) -> Outcome:
        return [AgentAudioEnded(event.item_id)], []

    def _agent_words(self, event: events.AudioTranscriptDelta) -> Outcome:
        return [ItemText(event.item_id, "agent", event.delta, final=False)], []

    def _agent_text(self, event: events.AudioTranscriptDone) -> Outcome:
        return [ItemText(event.item_id, "agent", event.transcript, final=True)], []

    def _caller_text(self, event: events.TranscriptionCompleted) -> Outcome:
        out: list[ModelEvent] = [ItemText(event.item_id, "caller", event.transcript.strip(), final=True)]
        if event.usage:
            out.append(UsageCounted(usage.transcription(event.usage)))
        return out, []

    def _caller_text_failed(self, event: events.TranscriptionFailed) -> Outcome:
        code = event.error.code or "transcription_failed"
        heard = ItemText(event.item_id, "caller", None, final=True)
        return [heard, ModelTrouble(code, event.error.message)], []

    def _function_call(self, event: events.FunctionCallArgumentsDone) -> Outcome:
        return [ToolCalled(event.item_id, event.call_id, event.name or "", event.arguments)], []

    def _response_created(self, event: events.ResponseCreated) -> Outcome:
        purpose = self._responses.created(event.response.id, event.response.metadata)
        return [ResponseStarted(event.response.id, purpose)], []

    def _response_done(self, event: events.ResponseDone) -> Outcome:
        response = event.response
        code, message = _failure(response.status_details)
        out: list[ModelEvent] = []
        if response.usage:
            out.append(UsageCounted(usage.response_tokens(response.usage)))
        if response.status == "failed" and code in failures.REFUSED:
            out.append(SessionFailed(True, code or "", message))
        out.append(ResponseEnded(response.id, response.status, code, message))
        self._cut_responses.discard(response.id)
        left, unspoken = self._mcp.response_done(response)
        frames = self._responses.done(response.id)
        return left + out, frames + (self._responses.want("tools", None) if unspoken else [])

    _HANDLERS: ClassVar[dict[type, Callable[[RealtimeSession, Any], Outcome]]] = {
        events.SessionUpdated: _session_updated,
        events.Error: _error,
        events.SpeechStarted: _speech_started,
        events.SpeechStopped: _speech_stopped,
        events.Committed: _committed,
        events.ItemAdded: _item_added,
        events.ItemCreated: _item_added,
        events.OutputItemAdded: _output_item_added,
        events.OutputItemDone: _output_item_done,
        events.McpCallArgumentsDone: _mcp_called,
        events.McpCallCompleted: _mcp_call_ended,
        events.McpCallFailed: _mcp_call_ended,
        events.McpListToolsFailed: _mcp_list_tools_failed,
        events.AudioDone: _audio_done,
        events.AudioTranscriptDelta: _agent_words,
        events.AudioTranscriptDone: _agent_text,
        events.TranscriptionCompleted: _caller_text,
        events.TranscriptionFailed: _caller_text_failed,
        events.FunctionCallArgumentsDone: _function_call,
        events.ResponseCreated: _response_created,
        events.ResponseDone: _response_done,
    }


def _input(settings: dict[str, Any]) -> dict[str, Any]:
    return {"type": "realtime", "audio": {"input": settings}}


def _failure(details: Any) -> tuple[str | None, str]:
    """`status_details.error` of a failed response; some servers send a bare string, or nothing."""
    if not isinstance(details, dict):
        return None, ""
    error = cast("dict[str, Any]", details).get("error")
    if not isinstance(error, dict):
        return None, ""
    error = cast("dict[str, Any]", error)
    return str(error.get("code") or error.get("type") or "failed"), str(error.get("message") or "")


_UNREAD = frozenset(
    {
        "session.created",
        "conversation.created",
        "conversation.item.done",
        "conversation.item.deleted",
        "conversation.item.truncated",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.segment",
        "input_audio_buffer.cleared",
        "input_audio_buffer.timeout_triggered",
        "response.content_part.added",
        "response.content_part.done",
        "response.function_call_arguments.delta",
        "response.mcp_call_arguments.delta",
        "response.mcp_call.in_progress",
        "mcp_list_tools.in_progress",
        "mcp_list_tools.completed",
        "rate_limits.updated",
    }
)
"""Known and of no use here; any other type is counted."""
