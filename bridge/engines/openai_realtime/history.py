"""What was said and done on a call so far, as items for a new session's conversation.

There is no resuming a session: https://platform.openai.com/docs/guides/realtime-conversations
"""

from __future__ import annotations

from typing import Any

from bridge.call.engine import Heard, HistoryItem, Said, ToolRan
from bridge.wire.pcmu import payload_bytes

MOST_CHARACTERS = 40_000
"""Of what was said longest ago, the rest is left out: a conversation's room is limited."""
SHORTEST_BYTES = 800
"""Of audio that may be committed: 100 ms."""
LEFT_OUT = "The beginning of this conversation is left out here."


def item_events(history: list[HistoryItem]) -> list[dict[str, Any]]:
    """Client events, in order. Audio is committed with turn detection off, so that nobody answers it."""
    kept = _newest(history)
    events: list[dict[str, Any]] = []
    if len(kept) < len(history):
        events.append(_create(_message("system", "input_text", LEFT_OUT)))
    for item in kept:
        match item:
            case Said(role="agent", text=text):
                events.append(_create(_message("assistant", "output_text", text)))
            case Said(text=text):
                events.append(_create(_message("user", "input_text", text)))
            case ToolRan():
                events.extend(_create(part) for part in _tool(item))
            case Heard(payloads=payloads):
                events.extend({"type": "input_audio_buffer.append", "audio": audio} for audio in payloads)
                events.append({"type": "input_audio_buffer.commit"})
    return events


def worth_committing(item: Heard) -> bool:
    return sum(payload_bytes(payload) for payload in item.payloads) >= SHORTEST_BYTES


def _newest(history: list[HistoryItem]) -> list[HistoryItem]:
    characters = 0
    for index in range(len(history) - 1, -1, -1):
        characters += _length(history[index])
        if characters > MOST_CHARACTERS:
            return history[index + 1 :]
    return history


def _length(item: HistoryItem) -> int:
    match item:
        case Said(text=text):
            return len(text)
        case ToolRan(arguments=arguments, output=output):
            return len(arguments) + len(output or "")
        case _:
            return 0


def _message(role: str, kind: str, text: str) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


def _tool(item: ToolRan) -> list[dict[str, Any]]:
    call = {
        "type": "function_call",
        "call_id": item.tool_call_id,
        "name": item.name,
        "arguments": item.arguments,
    }
    if item.output is None:
        return [call]
    return [call, {"type": "function_call_output", "call_id": item.tool_call_id, "output": item.output}]


def _create(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "conversation.item.create", "item": item}
