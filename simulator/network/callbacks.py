"""Status callbacks: which events are told, in what order, twice or the wrong way round when asked to."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from datetime import datetime

from simulator.network.call import SimulatedCall
from simulator.network.faults import Faults
from simulator.network.webhooks import Webhooks

Report = tuple[str, list[tuple[str, str]]]


class StatusCallbacks:
    """Of one call. Each is sent when its event happens, without waiting for the answer to the one before."""

    def __init__(
        self, call: SimulatedCall, webhooks: Webhooks, faults: Faults, clock: Callable[[], datetime]
    ) -> None:
        self._call = call
        self._webhooks = webhooks
        self._faults = faults
        self._clock = clock
        self._held: Report | None = None
        self._sending: set[asyncio.Task[None]] = set()

    def report(self, event: str) -> None:
        """`event` is Twilio's name: initiated, ringing, answered or completed (any final status)."""
        settings = self._call.settings
        if not settings.status_callback or event not in settings.status_events:
            return
        report = (event, self._call.record.status_parameters(self._clock()))
        if self._faults.reorder_callbacks and self._held is None and event != "completed":
            self._held = report
            return
        held, self._held = self._held, None
        task = asyncio.create_task(self._send([report, *([held] if held else [])]))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def finish(self) -> None:
        """Until every one has been answered."""
        while self._sending:
            await asyncio.wait(self._sending)

    async def _send(self, reports: list[Report]) -> None:
        settings = self._call.settings
        for event, parameters in reports:
            token = secrets.token_hex(16)
            for _ in range(2 if self._faults.duplicate_callbacks else 1):
                exchange = await self._webhooks.ask(
                    settings.status_callback, parameters, settings.status_callback_method, token
                )
                self._call.webhooks.append(exchange)
                if exchange.error_code:
                    self._call.story.tell(
                        "warning", text=f"15003 the status callback {event} failed: {exchange.tries}"
                    )
