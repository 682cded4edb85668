"""`POST /twilio/after-stream/{slot}/{call_id}`: a stream has ended, what happens next?"""

from __future__ import annotations

import asyncio
from enum import Enum, auto

import structlog
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.exc import SQLAlchemyError

from bridge.call.ending import APOLOGISE, EndReason
from bridge.runtime.snapshot import agent_of
from bridge.web.form import Form, TwilioForm
from bridge.web.xml import Xml
from database import calls
from database.models import FINAL_STATUSES
from database.session import Database
from telephony import twiml

DATABASE_SECONDS = 3.0

log = structlog.get_logger(__name__)


class Next(Enum):
    HANG_UP = auto()
    APOLOGISE = auto()


def decide(call_status: str, reason: EndReason | None, *, ended: bool) -> Next:
    """From Twilio's status, the committed reason, and whether the call's row is final.

    | caller | reason | next |
    | --- | --- | --- |
    | gone, or the row is final | any | hang up |
    | there | none: the stream was lost | apologise |
    | there | one of those that are our fault | apologise |
    | there | any other | hang up |
    """
    if ended or call_status in FINAL_STATUSES:
        return Next.HANG_UP
    if reason is None or reason in APOLOGISE:
        return Next.APOLOGISE
    return Next.HANG_UP


@post("/after-stream/{slot:str}/{call_id:str}", status_code=200)
async def after_stream(
    slot: FromPath[str], call_id: FromPath[str], form: Form, database: NamedDependency[Database]
) -> Response[str]:
    """Idempotent: asked twice, by `action` and by Redirect, it answers twice the same."""
    try:
        async with asyncio.timeout(DATABASE_SECONDS):
            return Xml(await next_document(call_id, form, database))
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        # Twilio asks nobody after us: better an apology that was not called for than silence.
        log.error("after_stream_without_postgres", call_id=call_id, error=type(error).__name__)
        gone = decide(form.call_status, None, ended=False) is Next.HANG_UP
        return Xml(twiml.hang_up() if gone else twiml.apologise(None))


async def next_document(call_id: str, form: TwilioForm, database: Database) -> str:
    call = await calls.by_id(database, call_id)
    if call is None or call.twilio_call_sid != form.call_sid:
        return twiml.hang_up()
    reason = None if call.ended_reason is None else EndReason(call.ended_reason)
    if decide(form.call_status, reason, ended=call.ended_at is not None) is Next.HANG_UP:
        return twiml.hang_up()
    if reason is None:
        await calls.commit_reason(database, call_id, EndReason.STREAM_LOST)
    return twiml.apologise((await agent_of(database, call)).config.fallback_number)
