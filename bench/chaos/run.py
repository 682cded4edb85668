"""A run: phones that call again and again, and what is done to them and to everything around them."""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections import Counter
from typing import Any

from msgspec import Struct, field

from bench.chaos import plan, small_disk
from bench.chaos.caller import WEBHOOKS_TROUBLED, Caller, Recorded
from bench.chaos.judge import Ordinary, Verdict, judge
from bench.chaos.plan import DEPLOYED, DISK_FULL, DRAINED, KILLED, POSTGRES, WorldFault
from bench.chaos.stage import WORKERS, Stage

ORDINARY_LINES = 2
WRITTEN_S = 20.0
"""After the last call, for everything to be written down and every row to be closed."""
RESTART_S = 20.0


class Outcome(Struct, kw_only=True):
    seed: int
    seconds: float
    timing: dict[str, Any]
    """The simulator's latencies."""
    calls: list[tuple[Recorded, Verdict]] = field(default_factory=list[tuple[Recorded, Verdict]])
    deeds: Counter[str] = field(default_factory=Counter[str])
    """How often each kind of fault was injected; those of everybody count once."""
    ordinary: Ordinary
    tools_run: int
    tools_run_twice: list[int]
    """The lines that led to it."""
    skipped: list[str] = field(default_factory=list[str])
    """What this system did not allow."""


class Run:
    def __init__(self, stage: Stage, *, seed: int, seconds: float, phones: int) -> None:
        self._stage = stage
        self._seed = seed
        self._seconds = seconds
        self._phones = phones
        self._loop = asyncio.get_running_loop()
        self._callers: list[Caller] = []
        self._recorded: list[Recorded] = []
        self._broken: list[str] = []
        self._deeds: Counter[str] = Counter()
        self._skipped: set[str] = set()
        self._numbers = itertools.count()

    async def carry_out(self) -> Outcome:
        ordinary = await self._ordinary()
        await self._stage.desk("PUT", "faults", **WEBHOOKS_TROUBLED)
        self._until = self._loop.time() + self._seconds
        world = asyncio.create_task(self._world())
        await asyncio.gather(*(self._phone(n) for n in range(self._phones)))
        await world
        return await self._outcome(ordinary)

    async def _ordinary(self) -> Ordinary:
        """What silence is usual, under as many calls, while nothing is wrong."""
        calls = [
            plan.call(self._seed, number, faultless=True, lines=ORDINARY_LINES)
            for number in itertools.islice(self._numbers, self._phones)
        ]
        # One question each and one for the tool, whatever the dice say.
        shaped = [plan.PlannedCall(call.number, (False, True), call.faults) for call in calls]
        return Ordinary(await asyncio.gather(*(Caller(self._stage, call).run() for call in shaped)))

    async def _phone(self, n: int) -> None:
        await asyncio.sleep(n * 0.4)
        while self._loop.time() < self._until:
            caller = Caller(self._stage, plan.call(self._seed, next(self._numbers)))
            self._callers.append(caller)
            try:
                self._recorded.append(await caller.run())
            except (RuntimeError, TimeoutError, OSError) as error:
                self._broken.append(f"{caller.recorded.caller}: {type(error).__name__} {error}")
            self._callers.remove(caller)

    async def _world(self) -> None:
        began = self._loop.time()
        last_over = began - plan.APART_S
        for fault in plan.world(self._seed, self._seconds, WORKERS):
            at = max(began + fault.at_s, last_over + plan.APART_S)
            await asyncio.sleep(max(0.0, at - self._loop.time()))
            if await self._happens(fault):
                self._deeds[fault.kind.name] += 1
            last_over = self._loop.time()

    async def _happens(self, fault: WorldFault) -> bool:
        stage, kind = self._stage, fault.kind

        def told(sids: set[str] | None = None) -> None:
            for caller in self._callers:
                if sids is None or caller.recorded.sid in sids:
                    caller.shared(kind.name)

        # One process at a time: with none that is whole there is nobody to go on.
        for slot in stage.server.ports:
            await stage.server.until_ready(stage.http, slot)
        if kind in (KILLED, DRAINED):
            told(await stage.calls_of(fault.slot))
            return stage.server.signal(fault.slot, signal.SIGKILL if kind is KILLED else signal.SIGTERM)
        if kind is DEPLOYED:
            await stage.deploy(told)
            return True
        if kind is POSTGRES:
            told()
            await self._without_postgres(fault.seconds)
            return True
        if kind is DISK_FULL and stage.small_disk is not None:
            told()
            small_disk.fill(stage.small_disk)
            await self._without_postgres(fault.seconds)
            small_disk.empty(stage.small_disk)
            return True
        self._skipped.add(kind.name)
        return False

    async def _without_postgres(self, seconds: float) -> None:
        await self._stage.stop_postgres()
        await asyncio.sleep(seconds)
        await self._stage.start_postgres()

    async def _outcome(self, ordinary: Ordinary) -> Outcome:
        rows = await self._rows()
        outcome = Outcome(
            seed=self._seed,
            seconds=self._seconds,
            timing=await self._stage.desk("GET", "timing"),
            ordinary=ordinary,
            tools_run=sum(self._stage.tool.runs.values()),
            tools_run_twice=[line for line, times in self._stage.tool.runs.items() if times > 1],
            skipped=sorted(self._skipped),
            deeds=self._deeds,
        )
        worlds = {kind.name for kind, _ in plan.EVERYTHING}
        for recorded in self._recorded:
            row = rows.get(recorded.sid)
            kept = await self._kept(row["id"]) if row else []
            outcome.deeds.update(one.kind for one in recorded.injected if one.kind not in worlds)
            outcome.calls.append((recorded, await asyncio.to_thread(judge, recorded, row, kept, ordinary)))
        for broken in self._broken:
            recorded = Recorded(planned=plan.call(self._seed, 0))
            outcome.calls.append((recorded, Verdict(lost=f"was not seen to end: {broken}")))
        return outcome

    async def _rows(self) -> dict[str, dict[str, Any]]:
        """By CallSid, once all are final, or after a while."""
        until = self._loop.time() + WRITTEN_S
        while True:
            rows: dict[str, dict[str, Any]] = {}
            cursor = ""
            while True:
                page = await self._stage.api("GET", f"calls?limit=100{cursor}")
                rows |= {row["twilio_call_sid"]: row for row in page["items"]}
                if page["next_cursor"] is None:
                    break
                cursor = f"&cursor={page['next_cursor']}"
            open_ = [r for r in self._recorded if rows.get(r.sid, {}).get("status") != "completed"]
            if not open_ or self._loop.time() > until:
                return rows
            await asyncio.sleep(1)

    async def _kept(self, call_id: str) -> list[tuple[str, str]]:
        transcript = await self._stage.api("GET", f"calls/{call_id}/transcript")
        return [(item["role"], item["text"]) for item in transcript["items"]]
