"""`POST /twilio/after-dial/{slot}/{call_id}`: whoever a caller was put through to is gone, or never came."""

from __future__ import annotations

from enum import Enum, auto

from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from bridge.call.ending import EndReason
from bridge.runtime.streams import Streams
from bridge.web.form import Form, TwilioForm
from bridge.web.xml import Xml
from database import calls, holding, transfers
from database.models import FINAL_STATUSES
from database.session import Database
from telephony import twiml


class Next(Enum):
    HANG_UP = auto()
    BACK_TO_AGENT = auto()


def decide(call_status: str, reason: EndReason | None, *, ended: bool, bridged: bool) -> Next:
    """From Twilio's status, the committed reason, whether the row is final, and whether they talked.

    | caller | reason | talked | next |
    | --- | --- | --- | --- |
    | gone, or the row is final | any | - | hang up |
    | there | any: the call was to end meanwhile | - | hang up |
    | there | none | yes | hang up |
    | there | none | no | back to the agent |
    """
    if ended or call_status in FINAL_STATUSES or reason is not None or bridged:
        return Next.HANG_UP
    return Next.BACK_TO_AGENT


def were_bridged(form: TwilioForm) -> bool:
    """Where Twilio does not say, an answered call counts as talked to.

    https://www.twilio.com/docs/voice/twiml/dial#action"""
    said = form.text("DialBridged")
    return said == "true" if said else form.text("DialCallStatus") in ("completed", "answered")


@post("/after-dial/{slot:str}/{call_id:str}", status_code=200)
async def after_dial(
    *,
    slot: FromPath[str],
    call_id: FromPath[str],
    form: Form,
    database: NamedDependency[Database],
    streams: NamedDependency[Streams],
) -> Response[str]:
    """Idempotent: a repeated request finds it written what came of the transfer, and gets the same answer."""
    call = await calls.by_id(database, call_id)
    if call is None or call.twilio_call_sid != form.call_sid:
        return Xml(twiml.hang_up())
    bridged, before = were_bridged(form), call.ended_reason
    gone = form.call_status in FINAL_STATUSES
    if bridged or not gone:
        call = (
            await transfers.is_over(database, call_id, form.text("DialCallStatus"), bridged=bridged) or call
        )
    reason = None if before is None else EndReason(before)
    if decide(form.call_status, reason, ended=call.ended_at is not None, bridged=bridged) is Next.HANG_UP:
        return Xml(twiml.hang_up())
    offered = await holding.offer_stream(database, call_id, token=form.idempotency_token)
    return Xml(twiml.apologise(None) if offered is None else streams.document(offered))
