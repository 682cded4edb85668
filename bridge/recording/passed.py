"""What passed a media socket, as messages. The caller's usual frames are known, and need no decoding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from bridge.wire import twilio


class Passed(Struct, frozen=True):
    texts: Sequence[bytes]
    """In their order, as on the wire."""
    payloads: Sequence[bytes]
    """Of each: the base64 of one of the caller's usual frames; empty for any other message."""
    others: Sequence[tuple[int, bool]]
    """Where these others are in `texts`, and whether they went to Twilio rather than came from there."""


class Sound(Struct, gc=False):
    payload: bytes
    timestamp: Annotated[int, Meta(ge=0, lt=10**12)] | None = None
    """In ms, on what comes from Twilio."""


class Media(Struct, tag_field="event", tag="media", gc=False):
    media: Sound


class Clear(Struct, tag_field="event", tag="clear", gc=False):
    pass


Message = Media | Clear | twilio.Mark | twilio.Dtmf | twilio.Stop
_decoder = msgspec.json.Decoder(Message, strict=False)
"""Not strict: Twilio writes numbers as strings."""


def decoded(text: bytes) -> Message | None:
    """None for what is broken or unknown."""
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        return None
