"""`POST /twilio/amd/{call_id}`: who has answered a call that we dialled, a person or a machine."""

from __future__ import annotations

from litestar import post
from litestar.di import NamedDependency
from litestar.params import FromPath

from bridge.call.events import MachineDetected
from bridge.call.voicemail import ANSWERED_BY
from bridge.runtime.live_calls import LiveCalls
from bridge.web.form import Form
from database import call_commands, calls
from database.session import Database


@post("/amd/{call_id:str}", status_code=204)
async def machine_detected(
    call_id: FromPath[str],
    form: Form,
    database: NamedDependency[Database],
    live_calls: NamedDependency[LiveCalls],
) -> None:
    """Idempotent: the call takes the first verdict. Another process that holds it is told."""
    answered_by = form.text("AnsweredBy")
    call = await calls.by_id(database, call_id)
    if call is None or call.twilio_call_sid != form.call_sid or call.ended_at is not None:
        return
    if answered_by not in ANSWERED_BY:
        return
    await calls.answered_by(database, call_id, answered_by)
    if not live_calls.take(call_id, MachineDetected(answered_by)):
        data = {"answered_by": answered_by}
        await call_commands.tell(database, call_id, call_commands.MACHINE_DETECTED, data)
