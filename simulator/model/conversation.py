"""The conversation: items in order, as the model remembers them."""

from __future__ import annotations

import base64
import binascii
import copy
import math
from dataclasses import dataclass, field
from typing import Any

from simulator.audio.mulaw import BYTES_PER_MS
from simulator.model.shapes import Json, Refused

_USER_TOKEN_MS = 100
_ASSISTANT_TOKEN_MS = 50


def text_tokens(text: str) -> int:
    """About as many as a tokenizer would find."""
    return math.ceil(len(text) / 4)


@dataclass(slots=True)
class Item:
    """One item: its wire form, and the sound that belongs to it."""

    wire: Json
    audio: bytearray = field(default_factory=bytearray)
    """Mu-law; of the agent, what has been sent so far."""
    truncated: bool = False
    heard: str = ""
    """Of what was truncated, the words up to there: the transcript is gone, the model's memory is not."""

    @property
    def id(self) -> str:
        return self.wire["id"]

    @property
    def audio_ms(self) -> int:
        return len(self.audio) // BYTES_PER_MS

    @property
    def text(self) -> str:
        """Everything in it that is text to the model."""
        match self.wire["type"]:
            case "message":
                parts: list[dict[str, Any]] = self.wire["content"]
                return " ".join(part["text"] for part in parts if "text" in part)
            case "function_call":
                return f"{self.wire['name']}{self.wire['arguments']}"
            case "mcp_call":
                return f"{self.wire['name']}{self.wire['arguments']}{self.wire.get('output') or ''}"
            case "function_call_output":
                return str(self.wire["output"])
            case _:
                return ""

    @property
    def tokens(self) -> tuple[int, int]:
        """Text and audio tokens as input to a later response."""
        token_ms = _ASSISTANT_TOKEN_MS if self.wire.get("role") == "assistant" else _USER_TOKEN_MS
        return text_tokens(self.text), math.ceil(self.audio_ms / token_ms)

    def snapshot(self) -> Json:
        return copy.deepcopy(self.wire)

    def with_audio(self) -> Json:
        """As `conversation.item.retrieved` shows it."""
        wire = self.snapshot()
        for part in wire.get("content", ()):
            if part["type"] in ("input_audio", "output_audio"):
                part["audio"] = base64.b64encode(self.audio).decode()
        return wire


class Conversation:
    """Items in spoken order."""

    def __init__(self, conversation_id: str) -> None:
        self.id = conversation_id
        self.items: list[Item] = []

    def find(self, item_id: str) -> Item | None:
        return next((item for item in self.items if item.id == item_id), None)

    def previous_of(self, item: Item) -> str | None:
        place = self.items.index(item)
        return self.items[place - 1].id if place else None

    @property
    def last_id(self) -> str | None:
        return self.items[-1].id if self.items else None

    def append(self, item: Item) -> None:
        self.items.append(item)

    def create(self, wire: Json, previous_item_id: str | None, new_id: str) -> Item:
        """An item that the client wrote. Raises `Refused`."""
        item = Item({"id": new_id, "object": "realtime.item", "status": "completed", **wire})
        if self.find(item.id) is not None:
            message = f"Error adding item: an item with id '{item.id}' already exists."
            raise Refused("item_create_duplicate_item_id", message, "item.id")
        if wire["type"] == "function_call_output" and not self._has_call(wire["call_id"]):
            message = f"Tool call ID '{wire['call_id']}' not found in conversation."
            raise Refused("invalid_tool_call_id", message, "item.call_id")
        if wire["type"] == "function_call":
            item.wire.setdefault("call_id", f"call_{new_id.removeprefix('item_')}")
        if wire["type"] == "message":
            self._take_audio(item)
        self.items.insert(self._place_after(previous_item_id), item)
        return item

    def _place_after(self, previous_item_id: str | None) -> int:
        if previous_item_id is None:
            return len(self.items)
        if previous_item_id == "root":
            return 0
        previous = self.find(previous_item_id)
        if previous is None:
            message = f"Error adding item: the previous item with id '{previous_item_id}' does not exist."
            raise Refused("item_create_invalid_previous_item_id", message, "previous_item_id")
        return self.items.index(previous) + 1

    def _take_audio(self, item: Item) -> None:
        """Sound is kept beside the item; the wire form shows only its transcript."""
        item.wire["content"] = copy.deepcopy(item.wire["content"])
        for index, part in enumerate(item.wire["content"]):
            if part["type"] != "input_audio":
                continue
            try:
                item.audio += base64.b64decode(part.pop("audio"), validate=True)
            except binascii.Error:
                path = f"item.content[{index}].audio"
                raise Refused(
                    "invalid_value", f"Invalid '{path}'. Expected base64-encoded audio.", path
                ) from None
            part.setdefault("transcript", None)

    def _has_call(self, call_id: str) -> bool:
        return any(
            item.wire["type"] == "function_call" and item.wire["call_id"] == call_id for item in self.items
        )

    def function_name(self, call_id: str) -> str:
        """The function that was called by this call; empty if the call is gone."""
        calls = (item.wire for item in self.items if item.wire["type"] == "function_call")
        return next((str(wire["name"]) for wire in calls if wire["call_id"] == call_id), "")

    def outputs_since_the_caller(self) -> list[tuple[str, str]]:
        """Function and output, of what has returned since the caller's last message."""
        outputs: list[tuple[str, str]] = []
        for item in self.items:
            if item.wire.get("role") == "user":
                outputs.clear()
            elif item.wire["type"] == "function_call_output":
                outputs.append((self.function_name(item.wire["call_id"]), str(item.wire["output"])))
        return outputs

    def require(self, item_id: str, deed: str, gerund: str) -> Item:
        item = self.find(item_id)
        if item is None:
            message = f"Error {gerund} item: the item with id '{item_id}' does not exist."
            raise Refused(f"item_{deed}_invalid_item_id", message, "item_id")
        return item

    def truncate(self, item_id: str, content_index: int, audio_end_ms: int) -> Item:
        """Cuts what the agent said to what was heard; its transcript goes with it. Raises `Refused`."""
        item = self.require(item_id, "truncate", "truncating")
        if item.wire.get("role") != "assistant" or not item.audio:
            raise Refused("unsupported_content_type", "Only model output audio messages can be truncated")
        if content_index >= len(item.wire["content"]):
            raise Refused("invalid_value", f"Content index {content_index} does not exist.", "content_index")
        if audio_end_ms > item.audio_ms:
            message = f"Audio content of {item.audio_ms}ms is already shorter than {audio_end_ms}ms"
            raise Refused("invalid_value", message)
        words = str(item.wire["content"][content_index].get("transcript") or item.heard).split()
        item.heard = " ".join(words[: len(words) * audio_end_ms // max(1, item.audio_ms)])
        del item.audio[audio_end_ms * BYTES_PER_MS :]
        item.truncated = True
        item.wire["content"][content_index] = {"type": "output_audio", "transcript": None}
        return item

    def delete(self, item_id: str) -> None:
        self.items.remove(self.require(item_id, "delete", "deleting"))
