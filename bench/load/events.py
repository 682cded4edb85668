"""The model's events as the Realtime API writes them (GA): names, order of fields, order of events.

https://platform.openai.com/docs/api-reference/realtime-server-events
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

_made = itertools.count(1)
WORDS = " I can certainly help you with that, one moment please."


def event(type_: str, **fields: Any) -> bytes:
    """Without spaces, `type` first, as OpenAI writes them."""
    return json.dumps(
        {"type": type_, "event_id": f"event_{next(_made)}", **fields}, separators=(",", ":")
    ).encode()


def session(type_: str, session_id: str, instructions: str) -> bytes:
    pcmu = {"type": "audio/pcmu"}
    detection = {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
        "idle_timeout_ms": None,
        "create_response": True,
        "interrupt_response": True,
    }
    audio = {
        "input": {
            "format": pcmu,
            "transcription": None,
            "noise_reduction": None,
            "turn_detection": detection,
        },
        "output": {"format": pcmu, "voice": "ash", "speed": 1.0},
    }
    shown: dict[str, Any] = {
        "type": "realtime",
        "object": "realtime.session",
        "id": session_id,
        "model": "gpt-realtime-2.1",
        "output_modalities": ["audio"],
        "instructions": instructions,
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "expires_at": 1_900_000_000,
        "audio": audio,
        "include": None,
    }
    return event(type_, session=shown)


def caller_turn(item_id: str, previous: str | None, audio_ms: int) -> Iterator[bytes]:
    """The caller has stopped speaking."""
    content = [{"type": "input_audio", "transcript": None}]
    item: dict[str, Any] = {
        "id": item_id,
        "object": "realtime.item",
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": content,
    }
    yield event("input_audio_buffer.speech_stopped", audio_end_ms=audio_ms, item_id=item_id)
    yield event("input_audio_buffer.committed", previous_item_id=previous, item_id=item_id)
    yield event("conversation.item.added", previous_item_id=previous, item=item)
    yield event("conversation.item.done", previous_item_id=previous, item=item)


def caller_words(item_id: str) -> Iterator[bytes]:
    name = "conversation.item.input_audio_transcription"
    yield event(f"{name}.delta", item_id=item_id, content_index=0, delta="What can you")
    usage = {"type": "duration", "seconds": 2}
    text = "What can you do for me?"
    yield event(f"{name}.completed", item_id=item_id, content_index=0, transcript=text, usage=usage)


def tool_call(number: str, previous: str | None) -> Iterator[bytes]:
    """A response that says nothing and asks for the tool."""
    response_id, item_id = f"resp_{number}", f"item_{number}_t"
    response: dict[str, Any] = {"id": response_id, "object": "realtime.response", "metadata": None}
    call = {"name": "look_up", "call_id": f"call_{number}"}
    item = {"id": item_id, "object": "realtime.item", "type": "function_call", **call, "arguments": "{}"}
    place = {"response_id": response_id, "output_index": 0}
    yield event("response.created", response=response | {"status": "in_progress", "output": []})
    yield event("response.output_item.added", **place, item=item | {"status": "in_progress"})
    yield event("conversation.item.added", previous_item_id=previous, item=item | {"status": "in_progress"})
    yield event("response.function_call_arguments.done", **place, item_id=item_id, **call, arguments="{}")
    done = item | {"status": "completed"}
    yield event("response.output_item.done", **place, item=done)
    yield event("conversation.item.done", previous_item_id=previous, item=done)
    yield event("response.done", response=response | {"status": "completed", "output": [done]})


class ReplyEvents:
    """Those of one response, but for its audio and words."""

    def __init__(self, response_id: str, item_id: str, previous: str | None, metadata: Any) -> None:
        self._response_id, self._item_id, self._previous, self._metadata = (
            response_id,
            item_id,
            previous,
            metadata,
        )
        self._of = {"response_id": response_id, "item_id": item_id, "output_index": 0, "content_index": 0}
        # The same for all deltas: made once.
        self._place = (
            f'"response_id":"{response_id}","item_id":"{item_id}",'
            '"output_index":0,"content_index":0,"delta":"'
        )

    def _item(self, status: str, text: str | None = None) -> dict[str, Any]:
        content = [] if text is None else [{"type": "output_audio", "transcript": text}]
        return {
            "id": self._item_id,
            "object": "realtime.item",
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": content,
        }

    def created(self) -> bytes:
        return event("response.created", response=self._response("in_progress", [], None))

    def begun(self) -> Iterator[bytes]:
        item = self._item("in_progress")
        yield event("response.output_item.added", response_id=self._response_id, output_index=0, item=item)
        yield event("conversation.item.added", previous_item_id=self._previous, item=item)
        part = {"type": "audio", "transcript": ""}
        yield event("response.content_part.added", **self._of, part=part)

    def words(self, text: str) -> bytes:
        kind = "response.output_audio_transcript.delta"
        return f'{{"type":"{kind}","event_id":"event_{next(_made)}",{self._place}{text}"}}'.encode()

    def audio(self, payload: str) -> bytes:
        kind = "response.output_audio.delta"
        return f'{{"type":"{kind}","event_id":"event_{next(_made)}",{self._place}{payload}"}}'.encode()

    def ended(self, text: str, *, cancelled: bool) -> Iterator[bytes]:
        status = "incomplete" if cancelled else "completed"
        item = self._item(status, text)
        yield event("response.output_audio.done", **self._of)
        yield event("response.output_audio_transcript.done", **self._of, transcript=text)
        yield event("response.content_part.done", **self._of, part={"type": "audio", "transcript": text})
        yield event("response.output_item.done", response_id=self._response_id, output_index=0, item=item)
        yield event("conversation.item.done", previous_item_id=self._previous, item=item)
        details = {"text_tokens": 30, "audio_tokens": 120}
        usage = {
            "total_tokens": 400,
            "input_tokens": 250,
            "output_tokens": 150,
            "input_token_details": {"text_tokens": 100, "audio_tokens": 150, "cached_tokens": 0},
            "output_token_details": details,
        }
        done = "cancelled" if cancelled else "completed"
        yield event("response.done", response=self._response(done, [item], usage))
        limits = [{"name": "tokens", "limit": 800000, "remaining": 790000, "reset_seconds": 0.7}]
        yield event("rate_limits.updated", rate_limits=limits)

    def _response(self, status: str, output: list[Any], usage: Any) -> dict[str, Any]:
        return {
            "object": "realtime.response",
            "id": self._response_id,
            "status": status,
            "status_details": {"type": "cancelled", "reason": "turn_detected"}
            if status == "cancelled"
            else None,
            "output": output,
            "conversation_id": "conv_bench",
            "output_modalities": ["audio"],
            "usage": usage,
            "metadata": self._metadata,
        }
