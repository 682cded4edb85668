"""Asking for something to be done on a live call, whichever process holds it: rows that NOTIFY announces."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Protocol

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from database.models import CallCommand
from database.notifications import CALL_COMMANDS, COMMANDS_ACKNOWLEDGED, News, Notifications
from database.presence import is_there
from database.session import Database

ANSWERED = "answered"
"""`{"at"}`: the TwiML that answers the call was returned by another process."""
HANG_UP = "hangup"
LET_GO = "let_go"
"""`{"attach_number", "of"}`: that media stream of the call has come to another process, or is to come there,
which opens a model session of its own. For the process of that name."""
MACHINE_DETECTED = "machine_detected"
"""`{"answered_by"}`: Twilio's verdict on who answered."""
SAY = "say"
"""`{"text", "interrupt", "interruptible"}`: an operator wants it said, word for word."""
TRANSFER = "transfer"
"""`{"destination"}`: an operator wants the caller put through to one of the agent's destinations."""
OFFERED = "offered"
"""Twilio has asked another process what comes after a lost media stream, and is told: another one, where the
call is held. Acknowledged by its holder, if that is still there."""
TAKE_OVER = "take_over"
"""`{"quiet", "held_by"}`: the process of that name has the call and is stopping, and any other one that has
room is to have it. Nothing was cut where it was `quiet`."""
PREPARE = "prepare"
"""`{"held_by"}`: a new call has reached the process of that name, which has no room for it. Any other one
that has is to open its model session."""
FOR_ANYBODY = frozenset({TAKE_OVER, PREPARE})
"""Announced by their own names: they concern processes that do not know the call."""
BROKEN_OFF = "broken_off"
"""The process that gave the call away was not quiet any more when it lost the media stream."""
OVER = "over"
"""Twilio says that the call has ended. Acknowledged when all that the holder had to tell is written."""


_OPEN_FOR = dt.timedelta(minutes=1)


class Happening(Protocol):
    """As `asyncio.Event`."""

    def is_set(self) -> bool: ...
    async def wait(self) -> object: ...


async def ask(
    database: Database,
    notifications: Notifications,
    call_id: str,
    command: str,
    data: dict[str, Any],
    *,
    timeout_s: float = 3.0,
    pointless: Happening | None = None,
) -> bool:
    """Returns whether the call's holder took the command. If nobody did in time, or before it became
    `pointless`, it is withdrawn."""
    pointless = asyncio.Event() if pointless is None else pointless
    deadline = asyncio.get_running_loop().time() + timeout_s
    command_id = await tell(database, call_id, command, data)
    with notifications.listen(COMMANDS_ACKNOWLEDGED, str(command_id)) as news:
        async with _announced(pointless, news):
            while not await _acknowledged(database, command_id):
                left_s = deadline - asyncio.get_running_loop().time()
                if left_s <= 0 or pointless.is_set():
                    return not await _withdraw(database, command_id)
                await news.wait(min(left_s, 1.0))
    return True


@contextlib.asynccontextmanager
async def _announced(event: Happening, news: News) -> AsyncGenerator[None]:
    async def announce() -> None:
        await event.wait()
        news.announce()

    task = asyncio.create_task(announce())
    try:
        yield
    finally:
        task.cancel()


async def let_go_elsewhere(
    database: Database, notifications: Notifications, call_id: str, *, timeout_s: float
) -> bool:
    """Wait until no other process holds the call's model session. False: whoever was told does not react.
    One that is gone is not waited for."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    told = (
        select(CallCommand.id)
        .where(CallCommand.call_id == call_id, CallCommand.command == LET_GO)
        .where(CallCommand.acknowledged_at.is_(None), is_there(CallCommand.data["of"].astext))
    )
    with notifications.listen(COMMANDS_ACKNOWLEDGED) as news:
        while True:
            async with database.session() as session:
                if await session.scalar(told) is None:
                    return True
            left_s = deadline - asyncio.get_running_loop().time()
            if left_s <= 0:
                return False
            await news.wait(left_s)


async def tell(database: Database, call_id: str, command: str, data: dict[str, Any]) -> int:
    """Leave a command without waiting for it; returns its id."""
    async with database.session.begin() as session:
        return await add_command(session, call_id, command, data)


async def add_command(
    session: AsyncSession, call_id: str, command: str, data: dict[str, Any] | None = None
) -> int:
    """The same within a transaction; announced when that commits."""
    row = CallCommand(call_id=call_id, command=command, data=data or {})
    session.add(row)
    await session.flush()
    about = command if command in FOR_ANYBODY else call_id
    await session.execute(select(func.pg_notify(CALL_COMMANDS, about)))
    return row.id


async def waiting(database: Database) -> Sequence[CallCommand]:
    """Commands that nobody has taken, to whichever call, oldest first. Few: whoever asks gives up after
    seconds."""
    async with database.session() as session:
        query = (
            select(CallCommand)
            .where(CallCommand.acknowledged_at.is_(None), CallCommand.created_at > func.now() - _OPEN_FOR)
            .order_by(CallCommand.id)
        )
        return (await session.scalars(query)).all()


async def acknowledge(database: Database, command_id: int) -> bool:
    """Take a command before carrying it out; False when it was withdrawn or taken meanwhile."""
    async with database.session.begin() as session:
        taken = await session.scalar(
            update(CallCommand)
            .where(CallCommand.id == command_id, CallCommand.acknowledged_at.is_(None))
            .values(acknowledged_at=func.now())
            .returning(CallCommand.id)
        )
        if taken is None:
            return False
        await session.execute(select(func.pg_notify(COMMANDS_ACKNOWLEDGED, str(command_id))))
        return True


async def forget_old(database: Database, *, older_than_s: float) -> None:
    async with database.session.begin() as session:
        age = func.make_interval(0, 0, 0, 0, 0, 0, older_than_s)
        await session.execute(delete(CallCommand).where(CallCommand.created_at < func.now() - age))


async def _acknowledged(database: Database, command_id: int) -> bool:
    async with database.session() as session:
        return (
            await session.scalar(select(CallCommand.acknowledged_at).where(CallCommand.id == command_id))
        ) is not None


async def _withdraw(database: Database, command_id: int) -> bool:
    async with database.session.begin() as session:
        withdrawn = await session.scalar(
            delete(CallCommand)
            .where(CallCommand.id == command_id, CallCommand.acknowledged_at.is_(None))
            .returning(CallCommand.id)
        )
        return withdrawn is not None
