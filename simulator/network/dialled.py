"""`<Dial>`: rings others, joins the first who answers to the caller until one of the two hangs up.

https://www.twilio.com/docs/voice/twiml/dial
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from simulator.audio.recording import BadWav
from simulator.network import twiml
from simulator.network.account import PracticeAccount
from simulator.network.call import Interruption, SimulatedCall
from simulator.network.life import Life
from simulator.network.line import Line, Nothing, join
from simulator.network.reach import why_no_caller_id
from simulator.network.talk import Talk
from simulator.phones.behaviour import BadBehaviour

_STATUS_OF_NOBODY = ("no-answer", "busy", "failed")
"""Of several who did not come to the phone, in order of what the action is told."""


class DialledLeg(Life):
    """The call to one of those who are rung."""

    @property
    def call(self) -> SimulatedCall:
        return self._call

    async def reach(self) -> Line | None:
        """The line, once somebody picks up."""
        self._prepare_lines()
        try:
            return await self.answer() if await self._dial_and_ring(0) else None
        except (BadBehaviour, BadWav) as error:
            self._end("failed", by="network", why=str(error))
            return None

    async def hear_whisper(self) -> bool:
        """What is for their ears only. False: they hung up on it, or it on them."""
        if not self._call.settings.source.url:
            return True
        talk = Talk(self._call, self)
        interruption = await self._first(asyncio.create_task(talk.run(self._call.settings.source)))
        if interruption is None and not talk.hung_up:
            return True
        self._end("completed", by=interruption.by if interruption else "twiml")
        return False

    async def until_hung_up(self) -> None:
        interruption = await self._call.interruptions.get()
        self._end("completed", by=interruption.by)

    async def let_go(self) -> None:
        """It is not needed any more, or not any longer."""
        self._end("completed" if self._call.line else "canceled", by="other leg")
        await self._finish()


class Dialled:
    """`told`: what the action hears; it is written as things become known, for a caller who hangs up."""

    def __init__(
        self,
        verb: twiml.Dial,
        caller: SimulatedCall,
        answer: Callable[[], Awaitable[Line]],
        told: dict[str, str],
    ) -> None:
        self._verb = verb
        self._caller = caller
        self._answer = answer
        self._told = told

    async def carry_out(
        self, new_leg: Callable[[twiml.Callee], DialledLeg], account: PracticeAccount
    ) -> None:
        verb, record = self._verb, self._caller.record
        self._told |= {"DialCallStatus": "failed", "DialCallDuration": "0", "DialBridged": "false"}
        sip_only = all(callee.to.startswith("sip") for callee in verb.callees)
        why = why_no_caller_id(verb.caller_id, from_=record.from_, to=record.to, account=account)
        if why and not sip_only:
            self._caller.story.tell("warning", text=why)
            return
        groups = [[callee] for callee in verb.callees] if verb.sequential else [list(verb.callees)]
        for callees in groups:
            if await self._ring([new_leg(callee) for callee in callees]):
                return

    async def _ring(self, legs: Sequence[DialledLeg]) -> bool:
        """All at once. True: somebody answered, and the talk is over."""
        for leg in legs:
            self._caller.story.tell("dialling", to=leg.call.record.to, call_sid=leg.call.sid)
        self._told |= {"DialCallStatus": "no-answer", "DialCallSid": legs[0].call.sid}
        reaching = {asyncio.create_task(leg.reach()): leg for leg in legs}
        try:
            answered = await _first_line(reaching)
            if answered is None:
                statuses = [leg.call.record.status for leg in legs]
                self._told["DialCallStatus"] = next(
                    s for s in _STATUS_OF_NOBODY if s in [*statuses, "failed"]
                )
                return False
            leg, line = answered
            self._told |= {"DialCallSid": leg.call.sid, "DialCallStatus": "completed"}
            for other in legs:
                if other is not leg:
                    other.call.interrupt(Interruption("answered elsewhere"))
            if await leg.hear_whisper():
                await self._talk(leg, line)
            return True
        finally:
            for task in reaching:
                task.cancel()
            await asyncio.wait(reaching)
            for leg in legs:
                await leg.let_go()
                if leg.call.line is not None:
                    self._told["DialCallDuration"] = str(leg.call.record.duration_seconds or 0)

    async def _talk(self, leg: DialledLeg, line: Line) -> None:
        caller_line = await self._answer()
        self._told["DialBridged"] = "true"
        self._caller.story.tell("bridged", call_sid=leg.call.sid)
        leg.call.story.tell("bridged", call_sid=self._caller.sid)
        limit = asyncio.get_running_loop().call_later(
            self._verb.time_limit_seconds, leg.call.interrupt, Interruption("time limit")
        )
        join(caller_line, line)
        try:
            await leg.until_hung_up()
        finally:
            limit.cancel()
            caller_line.attachment = line.attachment = Nothing()


async def _first_line(
    reaching: dict[asyncio.Task[Line | None], DialledLeg],
) -> tuple[DialledLeg, Line] | None:
    waiting = set(reaching)
    while waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            line = task.result()
            if line is not None:
                return reaching[task], line
    return None
