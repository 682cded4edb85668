"""`POST /twilio/voice`: a call comes in."""

from __future__ import annotations

from litestar import Response, post
from litestar.di import NamedDependency

from bridge.runtime.live_calls import LiveCalls
from bridge.runtime.streams import Streams
from bridge.web.answer import answer_call
from bridge.web.form import Form, TwilioForm
from bridge.web.postgres_away import AWAY, in_time
from bridge.web.without_postgres import WithoutPostgres
from bridge.web.xml import Xml
from database import calls
from database.phone_numbers import number_and_version
from database.session import Database
from telephony import twiml

DATABASE_SECONDS = 2.5
"""Then the call is answered from memory, within Twilio's limit."""


@post("/voice", status_code=200)
async def voice(
    form: Form,
    database: NamedDependency[Database],
    live_calls: NamedDependency[LiveCalls],
    streams: NamedDependency[Streams],
    without_postgres: NamedDependency[WithoutPostgres],
) -> Response[str]:
    """Number, agent, row, TwiML. Twilio repeats what we answer too late: the CallSid says that it is the
    same call."""
    try:
        async with in_time(live_calls, DATABASE_SECONDS):
            return Xml(await answer_with_postgres(form, database, live_calls, streams))
    except AWAY:
        document = without_postgres.answer(form)
        if document is None:
            raise
        return Xml(document)


async def answer_with_postgres(
    form: TwilioForm, database: Database, live_calls: LiveCalls, streams: Streams
) -> str:
    found = await number_and_version(database, form.text("To"))
    if found is None or not form.call_sid:
        return twiml.reject()
    number, version = found
    call = await calls.create_inbound(
        database,
        call_sid=form.call_sid,
        from_=form.text("From"),
        to=form.text("To"),
        number=number,
        agent_version=version,
        holder=live_calls.holder,
    )
    return await answer_call(call, number, database=database, live_calls=live_calls, streams=streams)
