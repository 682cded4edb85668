"""Media Streams' messages: those Twilio sends, and what it understands.

https://www.twilio.com/docs/voice/media-streams/websocket-messages
"""

from __future__ import annotations

import base64
import json

import msgspec

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
        message = {
            "event": event,
            "sequenceNumber": str(self._sequence_number),
            **content,
            "streamSid": self._stream_sid,
        }
        return json.dumps(message, separators=(",", ":"))


class MediaPayload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    payload: bytes


class Media(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="media"):
    streamSid: str
    media: MediaPayload


class MarkName(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str


class Mark(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="mark"):
    streamSid: str
    mark: MarkName


class Clear(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="clear"):
    streamSid: str


class Misunderstood(ValueError):
    """31951: Twilio ignores the message and logs why, once a stream."""


_DECODER = msgspec.json.Decoder(Media | Mark | Clear)


def read(text: str, stream_sid: str) -> Media | Mark | Clear:
    """What the server asks for; raises Misunderstood for anything else than exactly these three messages."""
    try:
        message = _DECODER.decode(text)
    except msgspec.DecodeError as error:
        raise Misunderstood(str(error)) from None
    if message.streamSid != stream_sid:
        raise Misunderstood("another stream's streamSid")
    return message
