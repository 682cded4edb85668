"""OpenAI's own types, read as strictly as they allow: the judge of what the pretend model sends."""

from __future__ import annotations

import typing
from typing import Any

from openai.types.realtime.realtime_client_event import RealtimeClientEvent
from openai.types.realtime.realtime_server_event import RealtimeServerEvent
from pydantic import BaseModel

# Keys that live traces show and the types leave out.
_SEEN_LIVE = {
    "obfuscation",
    "session.object",
    "session.id",
    "session.expires_at",
}


def _by_type(union: Any) -> dict[str, type[BaseModel]]:
    members = typing.get_args(typing.get_args(union)[0])
    return {typing.get_args(member.model_fields["type"].annotation)[0]: member for member in members}


SERVER_EVENTS = _by_type(RealtimeServerEvent)
CLIENT_EVENTS = _by_type(RealtimeClientEvent)


def check_server_event(event: dict[str, Any]) -> None:
    """Fails unless the event is exactly what the package knows by this type: right values, nothing more."""
    if event["type"] == "session.weather.changed":
        return  # the made-up event that nobody knows
    model = SERVER_EVENTS[event["type"]].model_validate(event, strict=True)
    unknown = set(_unknown_keys(model)) - _SEEN_LIVE
    assert not unknown, f"{event['type']} has {unknown}, which OpenAI's types do not"


def _unknown_keys(value: object, path: str = "") -> typing.Iterator[str]:
    if isinstance(value, BaseModel):
        yield from (f"{path}{key}" for key in value.model_extra or {})
        for name in type(value).model_fields:
            yield from _unknown_keys(getattr(value, name), f"{path}{name}.")
    elif isinstance(value, list):
        for member in value:
            yield from _unknown_keys(member, path)
