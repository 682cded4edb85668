"""One response, from `response.created` to `response.done`."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field

from simulator.audio import mulaw
from simulator.model.conversation import Item, text_tokens
from simulator.model.mcp import McpCall, mcp_item
from simulator.model.message import OutgoingMessage
from simulator.model.outlet import Outlet, Speak
from simulator.model.reply import (
    CallFunction,
    CallMcpTool,
    CloseSocket,
    Fail,
    Hush,
    Reply,
    Say,
    SendRaw,
    Stall,
)
from simulator.model.response_options import ResponseOptions
from simulator.model.settings import ModelTiming
from simulator.model.shapes import Json
from simulator.model.usage import rate_limits, usage

_TOKEN_MS = 50
_ARGUMENTS_PIECE = 12
"""Characters in one delta of a function call's arguments."""


@dataclass(slots=True)
class _Output:
    items: list[Item] = field(default_factory=list[Item])
    text_tokens: int = 0
    audio_ms: float = 0.0


class Response:
    """Its life is driven from outside: `reply` and `spoken` give it what to say, `advance` lets time pass."""

    def __init__(self, options: ResponseOptions, timing: ModelTiming, outlet: Outlet, due: float) -> None:
        """`due`: when the first output may appear."""
        self.id = outlet.new_id("resp")
        self.options = options
        self.status = "in_progress"
        self.decided = False
        self._stalled = False
        self._timing = timing
        self._outlet = outlet
        self._at = due
        self._parts: Reply = ()
        self._place = 0
        self._speech: dict[int, bytes | None] = {}
        self._message: OutgoingMessage | None = None
        self._mcp_call: McpCall | None = None
        self._output = _Output()
        outlet.emit("response.created", response=self._wire(None, None))

    @property
    def active(self) -> bool:
        return self.status == "in_progress"

    @property
    def audio_s(self) -> float:
        """Speech sent so far."""
        return self._output.audio_ms / 1000

    @property
    def deadline(self) -> float | None:
        """When `advance` has something to do; None while it waits for words or for speech."""
        waits = self._stalled or not self.decided or self._waits_for_speech()
        return self._at if self.active and not waits else None

    def reply(self, parts: Reply, now: float) -> None:
        self._parts = parts
        self.decided = True
        self._at = max(self._at, now)
        for index, part in enumerate(parts):
            if isinstance(part, Say) and self.options.modality == "audio":
                self._outlet.send(Speak(self.id, index, part.text))

    def spoken(self, part: int, mulaw: bytes | None, now: float) -> None:
        """The speech of one part; None: it could not be made, and the response will fail there."""
        if self._waits_for_speech():
            self._at = max(self._at, now)
        self._speech[part] = mulaw

    def advance(self, now: float) -> None:
        while self.deadline is not None and self.deadline <= now:
            self._step()

    def stall(self) -> None:
        """Nothing more leaves it, unless it is cancelled."""
        self._stalled = True

    def cancel(self, reason: str) -> None:
        """`turn_detected` or `client_cancelled`; what is already in flight still arrives."""
        message = self._message
        if message is not None:
            for _ in range(self._outlet.behaviour.in_flight_deltas):
                if not message.finished:
                    self._output.audio_ms += message.send_piece(*self._timing.delta_ms)
            self._close_message("incomplete")
        if self._mcp_call is not None:
            self._item_done(self._mcp_call.item, "incomplete")
        self._finish("cancelled", {"type": "cancelled", "reason": reason})

    def _waits_for_speech(self) -> bool:
        busy = self._message is not None or self._mcp_call is not None
        if busy or self._place >= len(self._parts) or self.options.modality != "audio":
            return False
        return isinstance(self._parts[self._place], Say) and self._place not in self._speech

    def _step(self) -> None:
        if self._message is not None:
            self._step_message(self._message)
        elif self._mcp_call is not None:
            self._mcp_call.end(self._outlet)
            self._item_done(self._mcp_call.item, "completed")
            self._mcp_call = None
        elif self._place >= len(self._parts):
            self._finish("completed", None)
        else:
            self._begin_part()

    def _step_message(self, message: OutgoingMessage) -> None:
        if not message.finished:
            sent_ms = message.send_piece(*self._timing.delta_ms)
            self._output.audio_ms += sent_ms
            self._at += sent_ms / 1000 / self._timing.speed
            return
        self._close_message("incomplete" if message.cut_short else "completed")
        if message.cut_short:
            self._finish("incomplete", {"type": "incomplete", "reason": "max_output_tokens"})

    def _begin_part(self) -> None:
        index, part = self._place, self._parts[self._place]
        self._place += 1
        match part:
            case Say():
                if self.options.modality == "audio" and self._speech[index] is None:
                    self._fail("server_error", "The model could not speak.")
                else:
                    self._open_message(part.text, self._speech.get(index))
            case CallFunction():
                self._call_function(part)
            case Hush(ms):
                self._open_message("", mulaw.silence(ms))
            case Stall():
                self.stall()
            case CallMcpTool():
                item = self._add_item(mcp_item(part))
                self._mcp_call = McpCall(part, item, self.id, len(self._output.items) - 1)
                self._mcp_call.begin(self._outlet)
                self._output.text_tokens += text_tokens(item.text)
                self._at += part.takes_ms / 1000
            case Fail():
                self._fail(part.code, part.message)
            case SendRaw():
                self._outlet.send(part.frame)
            case CloseSocket():
                self._outlet.close(part.code, part.reason)
                self.status = "failed"

    def _fail(self, code: str, message: str) -> None:
        kind = "server_error" if code == "server_error" else "invalid_request_error"
        self._finish("failed", {"type": "failed", "error": {"type": kind, "code": code, "message": message}})

    def _open_message(self, text: str, speech: bytes | None) -> None:
        wire: Json = {"type": "message", "status": "in_progress", "role": "assistant", "content": []}
        item = self._add_item(wire)
        place = {"response_id": self.id, "output_index": len(self._output.items) - 1}
        message = OutgoingMessage(
            item, text, speech, place=place, outlet=self._outlet, sound=self.options.sound
        )
        if isinstance(self.options.max_output_tokens, int):
            message.limit(self.options.max_output_tokens, _TOKEN_MS)
        message.open()
        self._message = message

    def _close_message(self, status: str) -> None:
        if self._message is not None:
            self._message.close()
            self._output.text_tokens += text_tokens(self._message.text_sent)
            self._item_done(self._message.item, status)
            self._message = None

    def _call_function(self, call: CallFunction) -> None:
        arguments = call.arguments if isinstance(call.arguments, str) else json.dumps(dict(call.arguments))
        call_id = self._outlet.new_id("call")
        item = self._add_item(
            {
                "type": "function_call",
                "status": "in_progress",
                "name": call.name,
                "call_id": call_id,
                "arguments": "",
            }
        )
        place = {
            "response_id": self.id,
            "item_id": item.id,
            "output_index": len(self._output.items) - 1,
            "call_id": call_id,
        }
        for start in range(0, len(arguments), _ARGUMENTS_PIECE):
            delta = arguments[start : start + _ARGUMENTS_PIECE]
            self._outlet.emit("response.function_call_arguments.delta", **place, delta=delta)
        item.wire["arguments"] = arguments
        self._outlet.emit(
            "response.function_call_arguments.done", **place, name=call.name, arguments=arguments
        )
        self._output.text_tokens += text_tokens(call.name + arguments)
        self._item_done(item, "completed")

    def _add_item(self, wire: Json) -> Item:
        kind: Json = {"object": "realtime.item"} if "status" in wire else {}
        item = Item({"id": self._outlet.new_id("item"), **kind, **wire})
        conversation = self.options.conversation
        place = {"response_id": self.id, "output_index": len(self._output.items)}
        self._outlet.emit("response.output_item.added", **place, item=item.snapshot())
        if conversation is not None:
            previous = conversation.last_id
            conversation.append(item)
            self._outlet.emit("conversation.item.added", previous_item_id=previous, item=item.snapshot())
        self._output.items.append(item)
        return item

    def _item_done(self, item: Item, status: str) -> None:
        if "status" in item.wire:
            item.wire["status"] = status
        conversation = self.options.conversation
        place = {"response_id": self.id, "output_index": self._output.items.index(item)}
        in_conversation = conversation is not None and conversation.find(item.id) is not None
        # An interrupted item was only seen to end with `output_item.done`.
        if conversation is not None and in_conversation and status == "completed":
            previous = conversation.previous_of(item)
            if self._outlet.behaviour.item_done_first:
                self._outlet.emit("conversation.item.done", previous_item_id=previous, item=item.snapshot())
                self._outlet.emit("response.output_item.done", **place, item=item.snapshot())
            else:
                self._outlet.emit("response.output_item.done", **place, item=item.snapshot())
                self._outlet.emit("conversation.item.done", previous_item_id=previous, item=item.snapshot())
        else:
            self._outlet.emit("response.output_item.done", **place, item=item.snapshot())

    def _finish(self, status: str, details: Json | None) -> None:
        self.status = status
        spent = usage(
            self.options.read, self._output.text_tokens, math.ceil(self._output.audio_ms / _TOKEN_MS)
        )
        shown = spent if self._outlet.behaviour.usage else None
        self._outlet.emit("response.done", response=self._wire(details, shown))
        self._outlet.emit("rate_limits.updated", rate_limits=rate_limits(spent["total_tokens"]))

    def _wire(self, details: Json | None, spent: Json | None) -> Json:
        options = self.options
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": self.status,
            "status_details": details,
            "output": [item.snapshot() for item in self._output.items],
            "conversation_id": None if options.conversation is None else options.conversation.id,
            "output_modalities": [options.modality],
            "max_output_tokens": options.max_output_tokens,
            "audio": {"output": {"format": options.sound, "voice": options.voice}},
            "usage": spent,
            "metadata": options.metadata,
        }
