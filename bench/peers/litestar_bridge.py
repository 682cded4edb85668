"""The bridge that one writes first with Litestar: `@websocket`, `receive_json`, `websockets` and `json`."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import uvicorn
from litestar import Litestar, WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

SESSION = {
    "type": "realtime",
    "instructions": "You answer the phone.",
    "audio": {
        "input": {"format": {"type": "audio/pcmu"}, "turn_detection": {"type": "server_vad"}},
        "output": {"format": {"type": "audio/pcmu"}, "voice": "ash"},
    },
}


class Bridge:
    def __init__(self, phone: WebSocket[Any, Any, Any], model: ClientConnection, stream_sid: str) -> None:
        self.phone = phone
        self.model = model
        self.stream_sid = stream_sid
        self.stream_ms = 0
        self.item = ""
        self.item_started_ms = 0
        self.marks: list[str] = []
        self.marks_made = 0

    async def to_model(self, event: dict[str, Any]) -> None:
        await self.model.send(json.dumps(event))

    async def from_phone(self) -> None:
        while True:
            message = await self.phone.receive_json()
            match message["event"]:
                case "media":
                    self.stream_ms = int(message["media"]["timestamp"])
                    await self.to_model(
                        {"type": "input_audio_buffer.append", "audio": message["media"]["payload"]}
                    )
                case "mark" if message["mark"]["name"] in self.marks:
                    self.marks.remove(message["mark"]["name"])
                case "stop":
                    return
                case _:
                    pass

    async def from_model(self) -> None:
        async for text in self.model:
            event = json.loads(text)
            if event["type"] == "response.output_audio.delta":
                await self.play(event["item_id"], event["delta"])
            elif event["type"] == "input_audio_buffer.speech_started" and self.marks:
                await self.interrupt()

    async def play(self, item: str, delta: str) -> None:
        if item != self.item:
            self.item, self.item_started_ms = item, self.stream_ms
        await self.phone.send_json(
            {"event": "media", "streamSid": self.stream_sid, "media": {"payload": delta}}
        )
        self.marks_made += 1
        self.marks.append(str(self.marks_made))
        await self.phone.send_json(
            {"event": "mark", "streamSid": self.stream_sid, "mark": {"name": self.marks[-1]}}
        )

    async def interrupt(self) -> None:
        self.marks.clear()
        await self.phone.send_json({"event": "clear", "streamSid": self.stream_sid})
        heard_ms = max(0, self.stream_ms - self.item_started_ms)
        await self.to_model(
            {
                "type": "conversation.item.truncate",
                "item_id": self.item,
                "content_index": 0,
                "audio_end_ms": heard_ms,
            }
        )


@websocket("/media")
async def media(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    message = await socket.receive_json()
    while message["event"] != "start":
        message = await socket.receive_json()
    headers = {"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}
    async with connect(os.environ["MODEL_URL"], additional_headers=headers) as model:
        bridge = Bridge(socket, model, message["start"]["streamSid"])
        await bridge.to_model({"type": "session.update", "session": SESSION})
        await bridge.to_model({"type": "response.create", "response": {"instructions": "Greet the caller."}})
        directions = [asyncio.create_task(bridge.from_phone()), asyncio.create_task(bridge.from_model())]
        done, others = await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        for task in others:
            task.cancel()
        for task in done:
            error = task.exception()
            if error is not None and not isinstance(error, (WebSocketDisconnect, ConnectionClosed)):
                raise error
    try:
        await socket.close()
    except (RuntimeError, WebSocketDisconnect):
        return  # the caller was faster


if __name__ == "__main__":
    uvicorn.run(
        Litestar([media]),
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        loop="uvloop",
        log_level="warning",
        ws="websockets-sansio",
    )
