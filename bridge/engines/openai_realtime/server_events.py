"""OpenAI's server events, as much of them as is read; all other fields and types are ignored.

https://platform.openai.com/docs/api-reference/realtime-server-events
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from bridge.call.engine import SpeechShape


class ErrorData(Struct):
    message: str = ""
    type: str | None = None
    code: str | None = None
    param: str | None = None
    event_id: str | None = None


class Error(Struct, tag="error"):
    error: ErrorData = msgspec.field(default_factory=ErrorData)


class AudioFormat(Struct):
    type: str = ""


class AudioSide(Struct):
    format: AudioFormat = msgspec.field(default_factory=AudioFormat)


class SessionAudio(Struct):
    input: AudioSide = msgspec.field(default_factory=AudioSide)
    output: AudioSide = msgspec.field(default_factory=AudioSide)


class SessionData(Struct):
    audio: SessionAudio = msgspec.field(default_factory=SessionAudio)


class SessionUpdated(Struct, tag="session.updated"):
    session: SessionData


class SpeechStarted(Struct, tag="input_audio_buffer.speech_started"):
    item_id: str
    audio_start_ms: int = 0


class SpeechStopped(Struct, tag="input_audio_buffer.speech_stopped"):
    item_id: str
    audio_end_ms: int = 0


class Committed(Struct, tag="input_audio_buffer.committed"):
    item_id: str
    previous_item_id: str | None = None


class Item(Struct):
    id: str
    type: str = ""
    role: str | None = None
    server_label: str | None = None
    """Of an MCP call, or of a list of MCP tools."""
    name: str | None = None
    arguments: str | None = None
    output: str | None = None
    error: Any = None
    """Of an MCP call that failed."""


class ItemAdded(Struct, tag="conversation.item.added"):
    item: Item
    previous_item_id: str | None = None


class ItemCreated(Struct, tag="conversation.item.created"):
    """The name some compatible servers still use."""

    item: Item
    previous_item_id: str | None = None


class OutputItemAdded(Struct, tag="response.output_item.added"):
    item: Item
    response_id: str = ""


class OutputItemDone(Struct, tag="response.output_item.done"):
    item: Item


class McpListToolsFailed(Struct, tag="mcp_list_tools.failed"):
    item_id: str


class McpCallArgumentsDone(Struct, tag="response.mcp_call_arguments.done"):
    item_id: str
    arguments: str = ""


class McpCallCompleted(Struct, tag="response.mcp_call.completed"):
    item_id: str


class McpCallFailed(Struct, tag="response.mcp_call.failed"):
    item_id: str


class AudioDelta(Struct, tag="response.output_audio.delta"):
    item_id: str
    delta: str
    response_id: str = ""


class AudioDone(Struct, tag="response.output_audio.done"):
    item_id: str


class AudioTranscriptDelta(Struct, tag="response.output_audio_transcript.delta"):
    item_id: str
    delta: str = ""


class AudioTranscriptDone(Struct, tag="response.output_audio_transcript.done"):
    item_id: str
    transcript: str = ""


class TranscriptionCompleted(Struct, tag="conversation.item.input_audio_transcription.completed"):
    item_id: str
    transcript: str = ""
    usage: dict[str, Any] | None = None


class TranscriptionFailed(Struct, tag="conversation.item.input_audio_transcription.failed"):
    item_id: str
    error: ErrorData = msgspec.field(default_factory=ErrorData)


class FunctionCallArgumentsDone(Struct, tag="response.function_call_arguments.done"):
    item_id: str
    call_id: str
    arguments: str = ""
    name: str | None = None


class FunctionCallItem(Struct):
    id: str = ""
    type: str = ""
    name: str | None = None
    call_id: str | None = None


class ResponseData(Struct):
    id: str
    status: str = "completed"
    status_details: Any = None
    metadata: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    output: list[FunctionCallItem] = msgspec.field(default_factory=list[FunctionCallItem])
    conversation_id: str | None = None


class ResponseCreated(Struct, tag="response.created"):
    response: ResponseData


class ResponseDone(Struct, tag="response.done"):
    response: ResponseData


ServerEvent = (
    Error
    | SessionUpdated
    | SpeechStarted
    | SpeechStopped
    | Committed
    | ItemAdded
    | ItemCreated
    | OutputItemAdded
    | OutputItemDone
    | McpListToolsFailed
    | McpCallArgumentsDone
    | McpCallCompleted
    | McpCallFailed
    | AudioDelta
    | AudioDone
    | AudioTranscriptDelta
    | AudioTranscriptDone
    | TranscriptionCompleted
    | TranscriptionFailed
    | FunctionCallArgumentsDone
    | ResponseCreated
    | ResponseDone
)


class _Head(Struct):
    type: str


_head = msgspec.json.Decoder(_Head)
_decoder = msgspec.json.Decoder(ServerEvent)
_READ = frozenset(str(event.__struct_config__.tag) for event in ServerEvent.__args__)


def decode(text: str) -> ServerEvent | str | None:
    """A known event; the `type` of one that is not read; None for what is no event at all."""
    try:
        kind = _kind(text) or _head.decode(text).type
        return _decoder.decode(text) if kind in _READ else kind
    except (msgspec.DecodeError, UnicodeError):
        return None


_TYPE = '{"type":"'


def _kind(text: str) -> str:
    """The `type` of a frame where it comes first, as OpenAI writes it; empty otherwise."""
    start = len(_TYPE)
    return text[start : text.find('"', start)] if text.startswith(_TYPE) else ""


_DELTA, _ITEM_ID, _PAYLOAD = '{"type":"response.output_audio.delta"', '"item_id":"', '"delta":"'
SPEECH_SHAPE = SpeechShape(
    begins=_DELTA.encode(),
    item_key=_ITEM_ID.encode(),
    payload_key=_PAYLOAD.encode(),
    words_begin=b'{"type":"response.output_audio_transcript.delta"',
)


def audio_delta(text: str) -> AudioDelta | None:
    """The piece of agent audio in a frame: cut out of the text where it has the shape OpenAI gives it."""
    if text.startswith(_DELTA):
        item_id = _value(text, _ITEM_ID)
        response_id = _value(text, '"response_id":"')
        delta = _value(text, _PAYLOAD)
        if item_id and delta and response_id is not None:
            return AudioDelta(item_id, delta, response_id)
    elif '"response.output_audio.delta"' not in text[:300]:
        return None
    event = decode(text)
    return event if isinstance(event, AudioDelta) else None


def _value(text: str, key: str) -> str | None:
    start = text.find(key)
    if start < 0:
        return None
    start += len(key)
    end = text.find('"', start)
    return None if end < 0 or text.find("\\", start, end) >= 0 else text[start:end]
