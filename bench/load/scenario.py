"""Calls up, a measured stretch, calls down: held, ever more of them, or coming and going."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Coroutine
from typing import Any

from bench.load.model import Model
from bench.load.phone import Phone
from bench.load.spec import Result, Spec, Target, Window
from bench.load.switchboard import CallFailed, Switchboard
from bench.load.tally import Counts, Tally
from bench.processes import Account, account

AT_ONCE = 16
"""Calls that are being set up at the same time."""
TRIAL_CALLS = 4
"""Made and ended before anything is measured: what is loaded late is no call's memory."""
SETTLE_S = 1.0
CLOSED_WITHIN_S = 6.0
SAMPLES = 20
CALLS_PER_COLLECTION = 600
"""Of an hour's calls the cycles would fill the machine; a short run is over before the first collection."""
DROPPED_EACH, MODEL_LOST_EACH = 8, 9
"""Of ten calls that come and go: this one's line breaks, this one's model goes away; the caller hangs up
the others."""


class Scenario:
    def __init__(
        self, spec: Spec, target: Target, switchboard: Switchboard, model: Model, tallies: tuple[Tally, Tally]
    ) -> None:
        self._spec, self._target, self._switchboard, self._model = spec, target, switchboard, model
        self._bridge, self._control = tallies
        self._up: list[Phone] = []
        self._controls: list[Phone] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._rss: list[float] = []
        self._files: list[int] = []
        self._call_seconds = 0.0
        self._idle_kb = 0.0

    async def run(self) -> Result:
        await self._add(TRIAL_CALLS, settle_s=2 * SETTLE_S)
        await self._hang_up_all()
        await asyncio.sleep(SETTLE_S)
        self._idle_kb = float(self._account().rss_kb)
        self._controls = [await self._switchboard.call(control=True) for _ in range(self._spec.control_calls)]
        windows = await (self._churn() if self._spec.calls_per_second else self._hold())
        await self._hang_up_all()
        for phone in self._controls:
            phone.hang_up()
        left = await self._sessions_left()
        return self._result(windows, left)

    def ended_by_bridge(self, call_sid: str) -> None:
        """The bridge asked for it through REST: Twilio stops the stream, and the call is over."""
        phone = self._switchboard.phones.get(call_sid)
        if phone is not None:
            phone.hang_up()

    # Calls that stay

    async def _hold(self) -> list[Window]:
        spec = self._spec
        windows: list[Window] = []
        wanted = spec.step or spec.calls
        while True:
            await self._add(wanted - len(self._up) - (0 if spec.step else spec.control_calls), spec.warm_s)
            for _ in range(spec.windows):
                windows.append(await self._window(self._live))
                # Summing up stops this process for a while, which would be the next window's worst latency.
                await asyncio.sleep(SETTLE_S)
            if not spec.step or windows[-1].up.p99 > spec.limit_ms * 1000 or wanted >= spec.calls:
                return windows
            wanted += spec.step

    def _live(self) -> float:
        return float(sum(not phone.ended.is_set() for phone in self._up))

    async def _add(self, calls: int, settle_s: float) -> None:
        places = asyncio.Semaphore(AT_ONCE)
        began = time.monotonic()

        async def one(index: int) -> None:
            await asyncio.sleep(began + index / self._target.ramp_per_second - time.monotonic())
            async with places:
                try:
                    self._up.append(await self._switchboard.call())
                except CallFailed:
                    return  # counted

        await asyncio.gather(*(one(index) for index in range(calls)))
        await asyncio.sleep(settle_s)

    # Calls that come and go

    async def _churn(self) -> list[Window]:
        spec = self._spec
        self._own(self._sample(spec.window_s))
        self._own(self._come_and_go(spec.window_s))
        await asyncio.sleep(spec.life_s + spec.dial_ms / 1000 + 1)
        seconds_before = self._call_seconds
        measured_s = max(1.0, spec.window_s - spec.life_s - 2)
        return [await self._window(lambda: (self._call_seconds - seconds_before) / measured_s, measured_s)]

    async def _come_and_go(self, seconds: float) -> None:
        began = time.monotonic()
        index = 0
        while (due := began + index / self._spec.calls_per_second) < began + seconds:
            await asyncio.sleep(due - time.monotonic())
            self._own(self._one_life(index))
            index += 1
            if index % CALLS_PER_COLLECTION == 0:
                gc.collect()

    async def _one_life(self, index: int) -> None:
        try:
            phone = await self._switchboard.call()
        except CallFailed:
            return  # counted
        for _ in range(round(self._spec.life_s * 5)):
            await asyncio.sleep(0.2)
            self._call_seconds += 0.2
        orderly = False
        if phone.ended.is_set():
            self._switchboard.failed("the bridge ended the call")
        elif index % 10 == DROPPED_EACH:
            phone.drop()
        elif index % 10 == MODEL_LOST_EACH and (session := self._model.by_caller.get(phone.number)):
            session.hang_up()
            await asyncio.sleep(SETTLE_S)
            phone.hang_up()
        else:
            phone.hang_up()
            orderly = True
        await self._switchboard.over(phone)
        await self._wait_for_session(phone)
        phone.settle(orderly=orderly)
        self._forget(phone)

    def _forget(self, phone: Phone) -> None:
        """An hour of calls must not fill the load process."""
        session = self._model.by_caller.pop(phone.number, None)
        if session is not None and session.closed:
            self._model.sessions.pop(session.number, None)

    async def _wait_for_session(self, phone: Phone) -> None:
        session = self._model.by_caller.get(phone.number)
        deadline = time.monotonic() + CLOSED_WITHIN_S
        while session is not None and not session.closed and time.monotonic() < deadline:  # noqa: ASYNC110 (one look in a while is cheaper than an event for each call)
            await asyncio.sleep(0.1)

    async def _sample(self, seconds: float) -> None:
        for _ in range(SAMPLES):
            await asyncio.sleep(seconds / SAMPLES)
            now = self._account()
            self._rss.append(float(now.rss_kb))
            self._files.append(now.files)

    # Both

    async def _window(self, calls: Any, seconds: float | None = None) -> Window:
        seconds = seconds or self._spec.window_s
        self._bridge.open_window()
        self._control.open_window()
        before, load_before, began = self._account(), time.process_time(), time.monotonic()
        await asyncio.sleep(seconds)
        took = time.monotonic() - began
        after, load_s = self._account(), time.process_time() - load_before
        self._bridge.close_window()
        self._control.close_window()
        up = max(1.0, calls())
        # Summing up an hour stops this process for seconds, and the bridge would take its phones for dead.
        while self._tasks:
            await asyncio.wait(set(self._tasks))
        return Window(
            calls=up,
            seconds=took,
            cpu_us={name: (after.cpu_s[name] - before.cpu_s[name]) / took / up * 1e6 for name in after.cpu_s},
            rss_kb=(after.rss_kb - self._idle_kb) / up,
            load_cpu=load_s / took,
            up=self._bridge.up.summary(),
            down=self._bridge.down.summary(),
            up_control=self._control.up.summary(),
            down_control=self._control.down.summary(),
        )

    def _account(self) -> Account:
        return account(self._target.pids)

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _hang_up_all(self) -> None:
        phones, self._up = self._up, []
        over = asyncio.Semaphore(AT_ONCE)

        async def end(phone: Phone) -> None:
            async with over:
                early = phone.ended.is_set()
                phone.hang_up()
                await self._switchboard.over(phone)
            await self._wait_for_session(phone)
            phone.settle(orderly=not early)
            if early:
                self._switchboard.failed("the bridge ended the call")

        await asyncio.gather(*(end(phone) for phone in phones))

    async def _sessions_left(self) -> int:
        """Of the bridge and the pass-through together; the pass-through leaves none."""
        deadline = time.monotonic() + CLOSED_WITHIN_S
        while self._model.open and time.monotonic() < deadline:  # noqa: ASYNC110 (as above)
            await asyncio.sleep(0.1)
        return len(self._model.open)

    def _result(self, windows: list[Window], left: int) -> Result:
        counts: Counts = self._bridge.counts
        return Result(
            windows=windows,
            clear=self._bridge.clear.summary(),
            clear_control=self._control.clear.summary(),
            greeting=self._bridge.greeting.summary(),
            greeting_control=self._control.greeting.summary(),
            dial_to_twiml=self._bridge.twiml.summary(),
            failures=self._switchboard.failures,
            sessions_left=left,
            idle_rss_kb=self._idle_kb,
            rss_over_time_kb=self._rss,
            files_over_time=self._files,
            **{name: getattr(counts, name) for name in counts.__struct_fields__},
        )
