"""Transfers as a call's row tells of them. Each function is a transaction of its own."""

from __future__ import annotations

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bridge.call.ending import EndReason
from bridge.call.transfer import Transfer, read_transfer
from database.call_events import add_event
from database.models import Call
from database.session import Database


async def plan(database: Database, call_id: str, destination: str) -> bool:
    """Whoever asks what comes next puts the caller through from now on. False: the call is ending."""
    async with database.session.begin() as session:
        call = await _locked(session, call_id)
        if call is None or call.ended_at is not None or call.ended_reason is not None:
            return False
        _keep(call, Transfer(destination))
        return True


async def picked_up(database: Database, call_id: str) -> None:
    """Whoever was rung has answered."""
    async with database.session.begin() as session:
        call = await _locked(session, call_id)
        transfer = None if call is None else read_transfer(call.transfer)
        if call is None or transfer is None or transfer.state != "dialling" or call.ended_at is not None:
            return
        _keep(call, msgspec.structs.replace(transfer, state="answered"))
        await add_event(session, call, "call.transferred", {"destination": transfer.destination})


async def is_over(database: Database, call_id: str, status: str, *, bridged: bool) -> Call | None:
    """Twilio has done with `<Dial>`. Returns the call as it then is; again the same when asked again."""
    async with database.session.begin() as session:
        call = await _locked(session, call_id)
        transfer = None if call is None else read_transfer(call.transfer)
        if call is None or transfer is None or transfer.state in ("connected", "failed"):
            return call
        data = {"destination": transfer.destination}
        state = "connected" if bridged else "failed"
        back_on = None if bridged else call.attach_number + 1
        _keep(call, msgspec.structs.replace(transfer, state=state, status=status, back_on=back_on))
        if bridged and not transfer.reached:
            await add_event(session, call, "call.transferred", data)
        if bridged:
            call.ended_reason = call.ended_reason or str(EndReason.TRANSFERRED)
        elif call.ended_at is None:
            await add_event(session, call, "call.transfer_failed", data | {"status": status})
        return call


def _keep(call: Call, transfer: Transfer) -> None:
    call.transfer = msgspec.to_builtins(transfer)


async def _locked(session: AsyncSession, call_id: str) -> Call | None:
    return await session.scalar(select(Call).where(Call.id == call_id).with_for_update())
