"""What operators do on a live call: `/v1/calls/{id}/transfer`, `/v1/calls/{id}/say`."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Controller, Request, post
from litestar.params import Body, FromPath
from msgspec import Meta, Struct
from sqlalchemy.ext.asyncio import AsyncSession

from api import examples
from api.audit import note
from api.auth import SECURITY, Caller, needs
from api.body import JsonBody
from api.errors import Problem, bad_field, not_found
from api.given import TheDatabase, TheNotifications
from api.openapi import example, responses
from api.spending import check_connectable
from bridge.call.transfer import destinations, read_transfer
from database import call_commands, call_history
from database.agents import find_version
from database.models import FINAL_STATUSES
from database.models import Call as CallRow
from database.notifications import Notifications
from database.session import Database
from database.shown import Call, shown_call


class TransferWanted(Struct, kw_only=True, forbid_unknown_fields=True):
    """To whom the caller is put through."""

    destination: Annotated[
        str,
        Meta(min_length=1, max_length=64, description="One of the agent's `transfer_call`, by its name."),
    ]


class SayWanted(Struct, kw_only=True, forbid_unknown_fields=True):
    """What the agent is to say."""

    text: Annotated[str, Meta(min_length=1, max_length=2000, description="Said word for word.")]
    interrupt: Annotated[
        bool, Meta(description="At once, into the agent's own words; otherwise when they have been said.")
    ] = False
    interruptible: Annotated[
        bool, Meta(description="False: heard to its end, even if the caller speaks; they are heard too.")
    ] = True


class CallActionController(Controller):
    path = "/v1/calls/{call_id:str}"
    tags = ["Calls"]  # noqa: RUF012 (Litestar's own way to say it)
    security = SECURITY

    @post(
        "/transfer",
        operation_id="transferCall",
        summary="Put the caller through",
        guards=[needs("calls:write")],
        status_code=200,
        dto=JsonBody[TransferWanted],
        return_dto=None,
        responses=responses(
            200, Call, 404, 409, 504, body=True, example=examples.CALL, description="It is being done."
        ),
    )
    async def transfer(
        self,
        *,
        request: Request[Any, Caller, Any],
        call_id: FromPath[str],
        data: Annotated[TransferWanted, Body(examples=example({"destination": "Front desk"}))],
        database: TheDatabase,
        notifications: TheNotifications,
    ) -> Call:
        """The agent says so, then the destination rings. Where nobody answers the caller is back with the
        agent, which knows. `call.transferred` or `call.transfer_failed` tells what became of it."""
        async with database.session.begin() as session:
            call = await _live(session, call_id)
            await _check_destination(session, call, data.destination)
            await note(session, request.auth, "call.transferred", call_id)
        return await _ask(database, notifications, call_id, call_commands.TRANSFER, data)

    @post(
        "/say",
        operation_id="sayOnCall",
        summary="Have the agent say something",
        guards=[needs("calls:write")],
        status_code=200,
        dto=JsonBody[SayWanted],
        return_dto=None,
        responses=responses(
            200, Call, 404, 409, 504, body=True, example=examples.CALL, description="It will be said."
        ),
    )
    async def say(
        self,
        *,
        request: Request[Any, Caller, Any],
        call_id: FromPath[str],
        data: Annotated[SayWanted, Body(examples=example({"text": "Your table is ready."}))],
        database: TheDatabase,
        notifications: TheNotifications,
    ) -> Call:
        """Word for word, in the agent's voice, as soon as neither the agent nor the caller is speaking."""
        async with database.session.begin() as session:
            await _live(session, call_id)
            await note(session, request.auth, "call.said", call_id)
        return await _ask(database, notifications, call_id, call_commands.SAY, data)


async def _live(session: AsyncSession, call_id: str) -> CallRow:
    """A call that an agent is on. Raises a 404, or a 409."""
    call = await call_history.find_call(session, call_id)
    if call is None:
        raise not_found("call", call_id)
    if call.status in FINAL_STATUSES:
        raise Problem(409, f"The call is over: {call.status}.")
    if call.answered_at is None:
        raise Problem(409, f"The call is {call.status}: nobody has answered it yet.")
    transfer = read_transfer(call.transfer)
    if transfer is not None and transfer.state != "failed":
        raise Problem(409, f"The caller is being, or has been, put through to {transfer.destination}.")
    return call


async def _check_destination(session: AsyncSession, call: CallRow, name: str) -> None:
    config = await find_version(session, call.agent_id, call.agent_version)
    known = {} if config is None else destinations(config)
    if name not in known:
        names = ", ".join(known) or "none"
        raise bad_field("destination", f"this call's agent has no destination of that name. It has: {names}")
    if known[name].to.startswith("+"):
        await check_connectable(session, "destination", known[name].to)


async def _ask(
    database: Database,
    notifications: Notifications,
    call_id: str,
    command: str,
    data: TransferWanted | SayWanted,
) -> Call:
    told = {name: getattr(data, name) for name in data.__struct_fields__}
    if not await call_commands.ask(database, notifications, call_id, command, told):
        raise Problem(504, "The process that holds the call did not take the command in 3 s. Try again.")
    async with database.session() as session:
        call = await call_history.find_call(session, call_id)
    if call is None:
        raise not_found("call", call_id)
    return shown_call(call)
