"""One call: its caller's lines, what is done to it meanwhile, and what was recorded of it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from msgspec import Struct, field

from bench.chaos.plan import CallFault, PlannedCall
from bench.chaos.stage import GREETING, Stage, found

SILENCE_MS = 3_400
"""Longer than a gap may be, so that a caller waits for an answer that was cut off."""
PATIENCE_MS = 12_000
RECORDED_LIMIT_S = 300.0
WEBHOOKS_TROUBLED = {"duplicate_callbacks": True, "reorder_callbacks": True}
"""All the time: status callbacks come twice, and each second one overtakes the one before."""


def line_number(call: int, line: int) -> int:
    """Of a caller's line, unlike any other's in the run."""
    return call * 100 + line + 1


def line_text(number: int, *, tool: bool) -> str:
    return f"Line {number}, look up order, please." if tool else f"Line {number}, please tell me more."


def answer_text(number: int, *, tool: bool) -> str:
    """What the practice brain makes of it when nothing is wrong."""
    return f"This is what I found: {found(number)}" if tool else f"You said: {line_text(number, tool=False)}"


class Injected(Struct, frozen=True):
    kind: str
    at_ms: int
    """Since the call was answered."""


class Recorded(Struct, kw_only=True):
    """What is left of a call."""

    planned: PlannedCall
    sid: str = ""
    moments: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    wav: bytes = b""
    sessions: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    injected: list[Injected] = field(default_factory=list[Injected])
    began_s: float = 0.0
    """When it was placed, in monotonic seconds."""

    @property
    def caller(self) -> str:
        return f"+1415{5550000 + self.planned.number}"

    @property
    def answers(self) -> list[str]:
        """What the agent should say: to the answer of the call, and to each line."""
        lines = enumerate(self.planned.tools)
        numbered = ((line_number(self.planned.number, line), tool) for line, tool in lines)
        return [GREETING, *(answer_text(number, tool=tool) for number, tool in numbered)]

    def all(self, name: str) -> list[dict[str, Any]]:
        return [moment for moment in self.moments if moment["type"] == name]

    @property
    def answered_ms(self) -> int | None:
        """Since the call began."""
        return next((int(moment["at_ms"]) for moment in self.all("answered")), None)

    def since_answer_ms(self, at_s: float) -> int:
        """Of a moment in monotonic seconds."""
        return round((at_s - self.began_s) * 1000) - (self.answered_ms or 0)


class Caller:
    """Places one call and sees it through."""

    def __init__(self, stage: Stage, planned: PlannedCall, *, silence_ms: int = SILENCE_MS) -> None:
        self.recorded = Recorded(planned=planned)
        self._stage = stage
        self._silence_ms = silence_ms
        self._loop = asyncio.get_running_loop()
        self._deeds: set[asyncio.Task[None]] = set()
        self._spoken = 0
        self._told = asyncio.Event()

    @property
    def now_ms(self) -> int | None:
        """Since the call was answered; None: it was not."""
        recorded = self.recorded
        return None if recorded.answered_ms is None else recorded.since_answer_ms(self._loop.time())

    async def run(self) -> Recorded:
        recorded, stage = self.recorded, self._stage
        lines = [
            line_text(line_number(recorded.planned.number, line), tool=tool)
            for line, tool in enumerate(recorded.planned.tools)
        ]
        asked = {"to": stage.number, "from": recorded.caller, "say": lines}
        placed = await stage.desk(
            "POST", "calls", **asked, silence_ms=self._silence_ms, patience_ms=PATIENCE_MS
        )
        recorded.sid, recorded.began_s = placed["call_sid"], self._loop.time()
        async with asyncio.timeout(RECORDED_LIMIT_S):
            await self._follow()
        for deed in self._deeds:
            deed.cancel()
        recorded.wav = await stage.desk("GET", f"calls/{recorded.sid}/audio.wav")
        recorded.sessions = await stage.desk("GET", f"model/sessions?about=%2B{recorded.caller[1:]}")
        return recorded

    async def until(self, name: str, *, count: int = 1) -> None:
        """Until that has happened on the call for the `count`-th time."""
        while len(self.recorded.all(name)) < count:
            self._told.clear()
            await self._told.wait()

    def shared(self, kind: str) -> None:
        """Something has happened to this call and to others."""
        if (at_ms := self.now_ms) is not None:
            self.recorded.injected.append(Injected(kind, at_ms))

    async def _follow(self) -> None:
        url = f"{self._stage.desk_url}/simulator/calls/{self.recorded.sid}/events"
        async with self._stage.http.get(url) as events:
            async for line in events.content:
                moment = json.loads(line)
                self.recorded.moments.append(moment)
                self._told.set()
                if moment["type"] == "caller started speaking":
                    fault = self.recorded.planned.faults[self._spoken]
                    self._spoken += 1
                    if fault is not None:
                        deed = asyncio.create_task(self._do(fault))
                        self._deeds.add(deed)
                        deed.add_done_callback(self._deeds.discard)

    async def _do(self, fault: CallFault) -> None:
        await asyncio.sleep(fault.after_ms / 1000)
        kind, at_ms = fault.kind, self.now_ms
        asked = {"fault": kind.fault, "code": fault.code}
        asked |= {} if kind.seconds is None else {"seconds": kind.seconds}
        await self._refuse(fault)
        if kind.leg == "model":
            struck = await self._stage.desk("POST", "model/faults", about=self.recorded.caller, **asked)
        else:
            struck = await self._stage.desk("POST", f"calls/{self.recorded.sid}/faults", **asked)
        if at_ms is not None and any(struck.values()):
            self.recorded.injected.append(Injected(kind.name, at_ms))

    async def _refuse(self, fault: CallFault) -> None:
        """What the next connections will find."""
        kind = fault.kind
        if kind.refusals and kind.leg == "model":
            await self._stage.desk(
                "POST", "model/handshakes", status=kind.status, hang_s=kind.hang_s, times=kind.refusals
            )
        elif kind.refusals:
            await self._stage.desk("PUT", "faults", **WEBHOOKS_TROUBLED, refuse_streams=kind.refusals)
