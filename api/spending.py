"""Settings that spend money: numbers that callers are connected to, and limits that must be computable."""

from __future__ import annotations

import datetime as dt

from sqlalchemy.ext.asyncio import AsyncSession

from api.errors import bad_field
from bridge.call.agent import AgentConfig
from bridge.call.cost import TOKEN_KINDS, TRANSCRIPTION_KINDS
from bridge.call.tools import TransferCallTool
from database import guards
from database.prices import prices_on
from telephony.destinations import why_not_connected


async def check_spending(session: AsyncSession, config: AgentConfig) -> None:
    await check_connectable(session, "fallback_number", config.fallback_number)
    for at, tool in enumerate(config.tools):
        for index, destination in enumerate(tool.destinations if isinstance(tool, TransferCallTool) else ()):
            if destination.to.startswith("+"):
                field = f"tools[{at}].destinations[{index}].to"
                await check_connectable(session, field, destination.to)
    if config.max_cost_per_call is not None:
        await _check_computable(session, config)


async def check_connectable(session: AsyncSession, field: str, number: str | None) -> None:
    """That the guards allow it. Whoever may change agents could else ring a premium number by calling one."""
    if number is None:
        return
    limits = await guards.current(session)
    why = why_not_connected(number, countries=limits.countries, allow=limits.allow, deny=limits.deny)
    if why:
        raise bad_field(field, why)


async def _check_computable(session: AsyncSession, config: AgentConfig) -> None:
    """That what a call costs will be known."""
    today = dt.datetime.now(dt.UTC).date()
    transcription = config.transcription_model
    prices = await prices_on(session, today, model=config.model, transcription_model=transcription)
    if unpriced := [kind for kind in TOKEN_KINDS if kind not in prices]:
        raise bad_field(
            "max_cost_per_call",
            f"{config.model} has no price for {', '.join(unpriced)}, so nobody could tell when the limit is"
            " reached: add it with PUT /v1/prices",
        )
    if transcription is not None and not prices.keys() & set(TRANSCRIPTION_KINDS):
        raise bad_field(
            "max_cost_per_call",
            f"{transcription} has no price, so nobody could tell when the limit is reached: add it with PUT"
            " /v1/prices, or transcribe with another model",
        )
