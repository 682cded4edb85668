"""Media Streams' messages: those Twilio sends, and what it understands.

https://www.twilio.com/docs/voice/media-streams/websocket-messages
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

CONNECTED = '{"event":"connected","protocol":"Call","version":"1.0.0"}'


class Speaker:
    """Writes Twilio's side of one stream; every message but `connected` is numbered."""

    def __init__(self, account_sid: str, call_sid: str, stream_sid: str) -> None:
        self._account_sid = account_sid
        self._call_sid = call_sid
        self._stream_sid = stream_sid
        self._sequence_number = 0
        self._chunk = 0

    def start(self, parameters: dict[str, str]) -> str:
        return self._message(
            "start",
            start={
                "accountSid": self._account_sid,
                "streamSid": self._stream_sid,
                "callSid": self._call_sid,
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": parameters,
            },
        )

    def media(self, frame: bytes, stream_ms: int) -> str:
        """By hand, as it is sent fifty times a second on each call."""
        self._sequence_number += 1
        self._chunk += 1
        return (
            f'{{"event":"media","sequenceNumber":"{self._sequence_number}","media":{{"track":"inbound",'
            f'"chunk":"{self._chunk}","timestamp":"{stream_ms}","payload":"{base64.b64encode(frame).decode()}"}},'
            f'"streamSid":"{self._stream_sid}"}}'
        )

    def mark(self, name: str) -> str:
        return self._message("mark", mark={"name": name})

    def dtmf(self, digit: str) -> str:
        return self._message("dtmf", dtmf={"track": "inbound_track", "digit": digit})

    def stop(self) -> str:
        return self._message("stop", stop={"accountSid": self._account_sid, "callSid": self._call_sid})

    def _message(self, event: str, **content: object) -> str:
        self._sequence_number += 1
        message = {"event": event, "sequenceNumber": str(self._sequence_number), **content, "streamSid": self._stream_sid}
        return json.dumps(message, separators=(",", ":"))


@dataclass(frozen=True)
class Media:
    audio: bytes


@dataclass(frozen=True)
class Mark:
    name: str


@dataclass(frozen=True)
class Clear:
    pass


class Misunderstood(ValueError):
    """31951: Twilio ignores the message and logs why, once a stream."""


def read(text: str, stream_sid: str) -> Media | Mark | Clear:
    """What the server asks for; raises Misunderstood for anything that is not exactly one of the three messages."""
    try:
        message: Any = json.loads(text)
    except ValueError:
        raise Misunderstood("not JSON") from None
    if not isinstance(message, dict):
        raise Misunderstood("not an object")
    event = message.get("event")
    if event not in ("media", "mark", "clear"):
        raise Misunderstood(f"unknown event {event!r}")
    expected = {"event", "streamSid"} | ({event} if event != "clear" else set())
    if set(message) != expected:
        raise Misunderstood(f"a {event} message has exactly {sorted(expected)}, not {sorted(message)}")
    if message["streamSid"] != stream_sid:
        raise Misunderstood("another stream's streamSid")
    if event == "clear":
        return Clear()
    content: Any = message[event]
    return _media(content) if event == "media" else _mark(content)


def _media(content: Any) -> Media:
    if not isinstance(content, dict) or set(content) != {"payload"} or not isinstance(content["payload"], str):
        raise Misunderstood("media holds exactly a payload, a string")
    try:
        return Media(base64.b64decode(content["payload"], validate=True))
    except binascii.Error:
        raise Misunderstood("the payload is not base64") from None


def _mark(content: Any) -> Mark:
    if not isinstance(content, dict) or set(content) != {"name"} or not isinstance(content["name"], str):
        raise Misunderstood("mark holds exactly a name, a string")
    return Mark(content["name"])
