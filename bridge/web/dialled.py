"""What Twilio asks about the call to whom a caller is put through: `/twilio/dialled`, `/twilio/whisper`."""

from __future__ import annotations

from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from bridge.call.transfer import destinations, read_transfer
from bridge.runtime.snapshot import agent_of
from bridge.web.form import Form
from bridge.web.xml import Xml
from database import calls, transfers
from database.session import Database
from telephony import twiml


@post("/dialled/{call_id:str}", status_code=204)
async def dialled(call_id: FromPath[str], form: Form, database: NamedDependency[Database]) -> None:
    """Its status. That it is over is told to after-dial, with what became of it."""
    call = await calls.by_id(database, call_id)
    if call is None or call.twilio_call_sid != form.text("ParentCallSid"):
        return
    if form.call_status == "in-progress":
        await transfers.picked_up(database, call_id)


@post("/whisper/{call_id:str}", status_code=200)
async def whisper(call_id: FromPath[str], form: Form, database: NamedDependency[Database]) -> Response[str]:
    """Said to whoever picks up. With nothing to say they are joined at once."""
    call = await calls.by_id(database, call_id)
    transfer = None if call is None else read_transfer(call.transfer)
    if call is None or transfer is None or call.twilio_call_sid != form.text("ParentCallSid"):
        return Xml(twiml.hang_up())
    wanted = destinations((await agent_of(database, call)).config).get(transfer.destination)
    return Xml(twiml.whisper(wanted.whisper if wanted else None))
