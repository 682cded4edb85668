"""A voice model that does one thing: it says a greeting, in bytes that name the caller it was told of."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

_CALLER = re.compile(r"\+[0-9]{8,15}")
_PCMU = {"format": {"type": "audio/pcmu"}}


class GreetingModel:
    """Knows a session's caller by the number in its instructions."""

    def __init__(self) -> None:
        self.opened: Counter[str] = Counter()
        """Sessions by caller, since the start."""
        self.open: Counter[str] = Counter()
        self.most_open: Counter[str] = Counter()
        """At the same time."""
        self.base_url = ""
        self._server: Server | None = None

    async def start(self) -> None:
        self._server = await serve(self._talk, "127.0.0.1", 0, compression=None, max_size=None, backlog=1024)
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _talk(self, connection: ServerConnection) -> None:
        caller = ""
        try:
            await connection.send('{"type": "session.created", "session": {}}')
            async for message in connection:
                event = json.loads(message)
                if event["type"] == "session.update":
                    caller = caller or self._met(event["session"])
                    session = {"audio": {"input": _PCMU, "output": _PCMU}}
                    await connection.send(json.dumps({"type": "session.updated", "session": session}))
                elif event["type"] == "response.create":
                    for said in _greeting(caller):
                        await connection.send(json.dumps(said))
        except ConnectionClosed:
            pass
        finally:
            self.open[caller] -= 1

    def _met(self, session: dict[str, Any]) -> str:
        found = _CALLER.search(session["instructions"])
        caller = found.group() if found else "?"
        self.opened[caller] += 1
        self.open[caller] += 1
        self.most_open[caller] = max(self.most_open[caller], self.open[caller])
        return caller


def voice_of(caller: str) -> bytes:
    """40 ms of mu-law that only this caller's greeting holds."""
    return (caller.encode() * 40)[:320]


def _greeting(caller: str) -> list[dict[str, Any]]:
    delta = base64.b64encode(voice_of(caller)).decode()
    place = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
    item: dict[str, Any] = {"id": "item_1", "type": "message", "role": "assistant", "content": []}
    return [
        {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress"}},
        {"type": "response.output_item.added", "response_id": "resp_1", "item": item},
        {"type": "conversation.item.added", "item": item, "previous_item_id": None},
        {"type": "response.output_audio.delta", "delta": delta, **place},
        {"type": "response.output_audio.done", **place},
        {"type": "response.done", "response": {"id": "resp_1", "status": "completed", "output": [item]}},
    ]
