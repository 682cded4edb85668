"""What all calls of the network share."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp

from simulator.audio.voice import Voice
from simulator.network.account import PracticeAccount
from simulator.network.faults import Faults
from simulator.network.webhooks import Webhooks
from simulator.phones.directory import Directory
from simulator.timing import Timing


@dataclass
class Equipment:
    account: PracticeAccount
    directory: Directory
    voice: Voice
    http: aiohttp.ClientSession
    timing: Timing
    faults: Faults = field(default_factory=Faults)
    webhooks: Webhooks = field(init=False)
    _seed: int = 0

    def __post_init__(self) -> None:
        self.webhooks = Webhooks(self.http, self.account.auth_token, self.timing_now)

    def timing_now(self) -> Timing:
        """Read each time, as it may be changed while calls go on."""
        return self.timing

    def next_seed(self) -> int:
        self._seed += 2
        return self._seed

    def clock(self) -> datetime:
        return datetime.now(UTC)
