"""The media socket over ASGI, where nobody can be pinged."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from litestar.connection import WebSocket

from bridge.runtime.phone_leg import AsgiPhoneLeg


class HalfOpen:
    """An accepted socket: says what it is told to say, then nothing any more, not even that it is gone."""

    def __init__(self, *texts: str) -> None:
        self._texts = list(texts)

    async def receive(self) -> dict[str, Any]:
        if self._texts:
            return {"type": "websocket.receive", "text": self._texts.pop(0)}
        return await asyncio.get_running_loop().create_future()

    async def send(self, message: dict[str, Any]) -> None:
        await asyncio.get_running_loop().create_future()


async def test_a_phone_of_which_nothing_is_heard_is_given_up_as_silent() -> None:
    leg = AsgiPhoneLeg(cast("WebSocket[Any, Any, Any]", HalfOpen("one", "two")), beat_seconds=0.02)
    heard: list[str] = []
    leg.send("unread")
    leg.flush()
    async with asyncio.timeout(10):
        await leg.run(heard.extend, lambda: heard.append("ended"))
    assert (heard, leg.silent) == (["one", "two", "ended"], True)


async def test_a_leg_whose_call_breaks_is_told_to_have_ended() -> None:
    leg = AsgiPhoneLeg(cast("WebSocket[Any, Any, Any]", HalfOpen("one")))
    told: list[str] = []

    def breaks(_: list[str]) -> None:
        raise ValueError

    with pytest.raises(ValueError):
        await leg.run(breaks, lambda: told.append("ended"))
    assert told == ["ended"]
