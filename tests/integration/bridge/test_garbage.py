"""A call leaves nothing in rings of objects: they would have to be searched for, and what has lived for a
while never is, as long as calls are up (`server/worker.py`)."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from bridge.call.commands import EndCall
from bridge.call.ending import EndReason
from bridge.call.events import StreamEnded
from database.canned_lines import chosen_lines
from database.prices import prices_on
from database.twilio_prices import keep_price
from tests.integration.bridge.conftest import MEDIA, STOP, Door
from tests.integration.bridge.fakes import ScriptedCall
from tests.rings import rings


async def test_of_ours(door: Door) -> None:
    def script(call: ScriptedCall) -> None:
        call.answers[StreamEnded] = [EndCall(EndReason.CALLER_HUNG_UP, caller_gone=True)]

    door.prepare = script

    async def call(call_sid: str) -> None:
        answer = await door.ring(call_sid)
        async with door.stream(answer, call_sid) as socket:
            await socket.send(MEDIA)
            await door.model.until(lambda: bool(door.model.heard))
            await socket.send(STOP)
        await door.settled()

    await call("CA1")
    with rings(of=("bridge", "database", "telephony", "uvicorn", "litestar.connection")) as left:
        await call("CA2")
    assert not left


async def test_of_its_statements(door: Door) -> None:
    async def call(call_sid: str) -> None:
        await door.ring(call_sid)
        await door.post("/twilio/status", CallSid=call_sid, CallStatus="completed")
        row = await door.row(call_sid)
        await keep_price(door.database, row.id, Decimal("0.01"), "USD")
        async with door.database.session() as session:
            await prices_on(
                session, dt.date(2026, 1, 1), model="gpt-realtime-2.1", transcription_model="whisper-1"
            )
            await chosen_lines(session, row.agent_id, "pt-BR")

    await call("CA1")  # what is made once is made now
    with rings(of=("sqlalchemy.sql",)) as left:
        await call("CA2")
    assert not left
