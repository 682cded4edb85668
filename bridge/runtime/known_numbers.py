"""What this process last knew of the numbers that are called: enough to answer one without Postgres."""

from __future__ import annotations

import asyncio
import datetime as dt
from decimal import Decimal

from msgspec import Struct

from bridge.call.agent import AgentConfig, AgentSnapshot
from bridge.call.lines import Lines
from bridge.runtime.lines import lines_of
from bridge.runtime.rounds import Rounds
from bridge.runtime.snapshot import filled
from database.agents import find_version
from database.models import Call, PhoneNumber
from database.phone_numbers import numbers_and_versions
from database.prices import prices_on
from database.session import Database

ROUND_SECONDS = 30.0
MOST_NUMBERS = 1000
"""The newest of them."""
REREAD_SECONDS = 600.0
"""An agent's version never changes; prices and lines may."""


class KnownAgent(Struct, frozen=True):
    version: int
    config: AgentConfig
    prices: dict[str, Decimal]
    lines: Lines
    read_at: float


class KnownNumbers:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._numbers: dict[str, PhoneNumber] = {}
        self._agents: dict[str, KnownAgent] = {}
        self._rounds = Rounds("known_numbers", self.round, every_s=ROUND_SECONDS)

    def start(self) -> None:
        self._rounds.start()

    async def stop(self) -> None:
        await self._rounds.stop()

    async def round(self) -> None:
        """All or nothing of it is taken in: what was known stays known while Postgres is away."""
        now = asyncio.get_running_loop().time()
        found = await numbers_and_versions(self._database, limit=MOST_NUMBERS)
        agents: dict[str, KnownAgent] = {}
        for number, version in found:
            known = agents.get(number.agent_id) or self._agents.get(number.agent_id)
            if known is None or known.version != version or now - known.read_at > REREAD_SECONDS:
                known = await self._read(number.agent_id, version, now)
            if known is not None:
                agents[number.agent_id] = known
        self._agents = agents
        self._numbers = {number.number: number for number, _ in found if number.agent_id in agents}

    async def _read(self, agent_id: str, version: int, now: float) -> KnownAgent | None:
        async with self._database.session() as session:
            config = await find_version(session, agent_id, version)
            if config is None:
                return None
            prices = await prices_on(
                session,
                dt.datetime.now(dt.UTC).date(),
                model=config.model,
                transcription_model=config.transcription_model,
            )
            lines = await lines_of(session, agent_id, config.language)
        return KnownAgent(version, config, prices, lines, now)

    def find(self, number: str) -> tuple[PhoneNumber, int] | None:
        """One of our numbers, and the version of the agent that answers it."""
        known = self._numbers.get(number)
        return None if known is None else (known, self._agents[known.agent_id].version)

    def agent_of(self, call: Call, now: dt.datetime) -> AgentSnapshot | None:
        """As `bridge.runtime.snapshot.agent_of`; None: another version than the call's is known."""
        known = self._agents.get(call.agent_id)
        if known is None or known.version != call.agent_version:
            return None
        return AgentSnapshot(
            agent_id=call.agent_id,
            version=known.version,
            config=filled(known.config, call, now),
            prices=known.prices,
            lines=known.lines,
        )
