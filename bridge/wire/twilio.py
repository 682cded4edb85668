"""Twilio Media Streams on the wire: https://www.twilio.com/docs/voice/media-streams/websocket-messages"""

from __future__ import annotations

import re

import msgspec
from msgspec import Struct


class _Message(Struct, tag_field="event", rename="camel", kw_only=True):
    stream_sid: str = ""


class Connected(_Message, tag="connected"):
    pass


class MediaFormat(Struct, rename="camel", kw_only=True):
    encoding: str = "audio/x-mulaw"
    sample_rate: int | str = 8000
    channels: int | str = 1


class StartData(Struct, rename="camel", kw_only=True):
    stream_sid: str
    call_sid: str
    account_sid: str = ""
    custom_parameters: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    media_format: MediaFormat = msgspec.field(default_factory=MediaFormat)


class Start(_Message, tag="start"):
    start: StartData


class MediaData(Struct, kw_only=True):
    payload: str
    track: str = "inbound"
    timestamp: str = "0"


class Media(_Message, tag="media"):
    media: MediaData


class DtmfData(Struct, kw_only=True):
    digit: str


class Dtmf(_Message, tag="dtmf"):
    dtmf: DtmfData


class MarkData(Struct, kw_only=True):
    name: str


class Mark(_Message, tag="mark"):
    mark: MarkData


class Stop(_Message, tag="stop"):
    pass


Message = Connected | Start | Media | Dtmf | Mark | Stop

MEDIA_PREFIX = '{"event":"media"'
"""How messages with audio begin: Twilio's always have, and ours do."""

_decoder = msgspec.json.Decoder(Message)
PAYLOAD = '"payload":"'
"""What stands before the audio of such a message."""
_TIMESTAMP = '"timestamp":"'
_MARK_PREFIX = '{"event":"mark"'
_NAME = '"name":"'
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


def decode(text: str | bytes) -> Message | None:
    """A message, or None for one that is broken or unknown; extra fields are ignored."""
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        return None


def media_payload(text: str) -> str | None:
    """The base64 audio of a `media` message, cut out of the text where it has the shape Twilio gives it,
    typed decoding otherwise; None when it is not caller audio."""
    if text.startswith(MEDIA_PREFIX):
        start = text.find(PAYLOAD) + len(PAYLOAD)
        end = text.find('"', start)
        if start >= len(PAYLOAD) and end > start and text.find("\\", start, end) < 0:
            return text[start:end]
    elif text.startswith(_MARK_PREFIX):
        return None
    message = decode(text)
    if isinstance(message, Media) and _BASE64.fullmatch(message.media.payload):
        return message.media.payload
    return None


def mark_name(text: str) -> str | None:
    """The name of a mark of ours, where its message has the shape Twilio gives it; None for all else."""
    if not text.startswith(_MARK_PREFIX):
        return None
    start = text.find(_NAME) + len(_NAME)
    name = text[start : text.find('"', start)]
    return name if start >= len(_NAME) and name.isdigit() else None


def media_timestamp_ms(text: str) -> int | None:
    """`media.timestamp`: milliseconds since the stream began, by audio position."""
    start = text.find(_TIMESTAMP) + len(_TIMESTAMP)
    if start >= len(_TIMESTAMP):
        digits = text[start : text.find('"', start)]
    else:
        message = decode(text)
        digits = message.media.timestamp if isinstance(message, Media) else ""
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 12 else None


class Outgoing:
    """Messages to Twilio for one stream."""

    def __init__(self, stream_sid: str) -> None:
        sid = msgspec.json.encode(stream_sid).decode()
        self._media = f'{MEDIA_PREFIX},"streamSid":{sid},"media":{{"payload":"'
        self._media_bytes = self._media.encode()
        self._mark = f'{{"event":"mark","streamSid":{sid},"mark":{{"name":"'
        self.clear = f'{{"event":"clear","streamSid":{sid}}}'

    def media(self, payload: str) -> str:
        return f'{self._media}{payload}"}}}}'

    def media_bytes(self, payload: bytes) -> bytes:
        return b'%b%b"}}' % (self._media_bytes, payload)

    def mark(self, name: str) -> str:
        """`name` is one of our own counters: no character of it needs escaping."""
        return f'{self._mark}{name}"}}}}'
