"""The telephone network: all calls, the one way to place each kind, and what REST may do to a live one."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Coroutine

from simulator.network import twiml
from simulator.network.call import Settings, SimulatedCall, Source
from simulator.network.call_record import CallRecord, Direction
from simulator.network.dialled import Dialled, DialledLeg
from simulator.network.equipment import Equipment
from simulator.network.life import Life
from simulator.network.story import Story
from simulator.phones.behaviour import Behaviour

KEPT_CALLS = 200
"""Ended calls that are remembered with their audio, about 1 MB a minute each."""


class Network:
    def __init__(self, equipment: Equipment) -> None:
        self.equipment = equipment
        self.calls: dict[str, SimulatedCall] = {}
        self._over: deque[str] = deque()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._next_dial_at = 0.0

    @property
    def live_calls(self) -> list[SimulatedCall]:
        return [call for call in self.calls.values() if not call.record.is_over]

    def place_call(self, from_: str, to: str, behaviour: Behaviour | None = None) -> SimulatedCall:
        """Somebody with a phone dials a number; the call comes in if the practice account owns it."""
        number = self.equipment.account.owned(to)
        settings = Settings(Source())
        if number is not None:
            settings = Settings(
                Source(number.answering_url, number.voice_method),
                number.voice_fallback_url,
                number.voice_fallback_method,
                number.status_callback,
                number.status_callback_method,
            )
        call = self._new(
            "inbound", from_, to, settings, behaviour or self.equipment.directory.behaviour_of(from_)
        )
        call.record.phone_number_sid = number.sid if number else None
        self._run(call, self._life(call).come_in())
        return call

    def create_call(self, from_: str, to: str, settings: Settings) -> SimulatedCall:
        """Our server asks for a call by the REST API; calls beyond the allowed rate wait in the queue."""
        call = self._new("outbound-api", from_, to, settings, self.equipment.directory.behaviour_of(to))
        number = self.equipment.account.owned(from_)
        call.record.phone_number_sid = number.sid if number else None
        now = time.monotonic()
        dial_at = max(now, self._next_dial_at)
        self._next_dial_at = dial_at + 1 / self.equipment.timing.calls_per_second
        call.story.tell("queued")
        self._run(call, self._life(call).go_out(dial_at - now))
        return call

    def forget(self, sid: str) -> None:
        del self.calls[sid]

    async def close(self) -> None:
        """Cuts every call off."""
        running = [*self._running.values()]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)

    def _life(self, call: SimulatedCall) -> Life:
        return Life(call, self.equipment, self._dial)

    async def _dial(self, call: SimulatedCall, life: Life, verb: twiml.Dial, told: dict[str, str]) -> None:
        def leg(callee: twiml.Callee) -> DialledLeg:
            settings = Settings(
                Source(callee.url, callee.method) if callee.url else Source(),
                status_callback=callee.status_callback,
                status_callback_method=callee.status_callback_method,
                status_events=callee.status_events,
                ring_seconds=verb.timeout_seconds,
            )
            behaviour = self.equipment.directory.behaviour_of(callee.to)
            from_ = verb.caller_id or call.record.from_
            other = self._new("outbound-dial", from_, callee.to, settings, behaviour)
            other.record.parent_call_sid = call.sid
            return DialledLeg(other, self.equipment, self._dial)

        await Dialled(verb, call, life.answer, told).carry_out(leg, self.equipment.account)

    def _new(
        self, direction: Direction, from_: str, to: str, settings: Settings, behaviour: Behaviour
    ) -> SimulatedCall:
        account_sid = self.equipment.account.sid
        sid = f"CA{secrets.token_hex(16)}"
        record = CallRecord(sid, account_sid, from_, to, direction, self.equipment.clock())
        call = SimulatedCall(record, settings, behaviour, Story(time.monotonic))
        self.calls[sid] = call
        self._over.append(sid)
        while len(self._over) > KEPT_CALLS and self._forget_oldest():
            pass
        return call

    def _forget_oldest(self) -> bool:
        """False when the oldest call is still going on."""
        call = self.calls.get(self._over[0])
        if call is not None and not call.over.is_set():
            return False
        self.calls.pop(self._over.popleft(), None)
        return True

    def _run(self, call: SimulatedCall, life: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(life)
        self._running[call.sid] = task
        task.add_done_callback(lambda _: self._running.pop(call.sid, None))
