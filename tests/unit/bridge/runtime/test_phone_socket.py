"""The media socket once the route has handed it on: what came is told before its end, whenever that was."""

from __future__ import annotations

import asyncio

from websockets.speedups import apply_mask

from bridge.runtime.phone_leg import PhoneSocket
from bridge.wire.websocket import Sender


class Wire(asyncio.Transport):
    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...
    def resume_reading(self) -> None: ...


def said(text: str) -> bytes:
    return Sender(apply_mask, iter([b"1234"])).text(text)


async def test_a_caller_who_hung_up_while_the_call_was_looked_for_is_known_to_have() -> None:
    leg, told = PhoneSocket(), list[str]()
    leg.connection_made(Wire())
    leg.data_received(said('{"event":"stop"}'))
    leg.connection_lost(None)
    await leg.run(told.extend, lambda: told.append("ended"))
    assert told == ['{"event":"stop"}', "ended"]


async def test_the_end_of_a_socket_is_told_once_and_last() -> None:
    leg, told = PhoneSocket(), list[str]()
    leg.connection_made(Wire())
    await leg.run(told.extend, lambda: told.append("ended"))
    leg.data_received(said("one"))
    leg.connection_lost(None)
    leg.connection_lost(None)
    assert told == ["one", "ended"]
