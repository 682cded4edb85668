"""`POST /twilio/outbound/{call_id}`: somebody has picked up a call that we dialled."""

from __future__ import annotations

from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from bridge.runtime.live_calls import LiveCalls
from bridge.runtime.streams import Streams
from bridge.web.answer import answer_call
from bridge.web.form import Form
from bridge.web.xml import Xml
from database import calls
from database.session import Database
from telephony import twiml


@post("/outbound/{call_id:str}", status_code=200)
async def outbound(
    *,
    call_id: FromPath[str],
    form: Form,
    database: NamedDependency[Database],
    live_calls: NamedDependency[LiveCalls],
    streams: NamedDependency[Streams],
) -> Response[str]:
    """Hangs up on a call that was given up meanwhile."""
    await calls.mark_dialled(database, call_id, form.call_sid)
    call = await calls.by_id(database, call_id)
    if call is None or call.twilio_call_sid != form.call_sid:
        return Xml(twiml.hang_up())
    return Xml(
        await answer_call(
            call,
            None,
            database=database,
            live_calls=live_calls,
            streams=streams,
        )
    )
