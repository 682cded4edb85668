"""Placing a call: its row first, then Twilio, once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import structlog
from msgspec import Meta, Struct

from api.audit import note
from api.auth import Caller
from api.errors import bad_field, twilio_problem
from api.idempotency import Attempt
from api.variables import missing_variables
from bridge.call.agent import Voicemail
from bridge.call.ending import EndReason
from database import calls, guards
from database.agents import StoredAgent, find_agent
from database.guards import Guards
from database.models import Call, PhoneNumber
from database.phone_numbers import own_numbers
from database.session import Database
from telephony.addresses import Addresses
from telephony.destinations import why_refused
from telephony.twilio import MachineDetection, TwilioAccount, TwilioRefused, TwilioUnreachable

Value = Annotated[str, Meta(max_length=10_000)] | int | bool

log = structlog.get_logger(__name__)


class NewCall(Struct, kw_only=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    agent_id: Annotated[str, Meta(min_length=1, max_length=100)]
    to: Annotated[str, Meta(min_length=1, max_length=64, description="E.164, and allowed by the guards.")]
    from_: (
        Annotated[
            str, Meta(max_length=64, description="One of your numbers; by default the agent's oldest one.")
        ]
        | None
    ) = None
    variables: Annotated[
        dict[Annotated[str, Meta(max_length=100)], Value],
        Meta(max_length=100, description="Values for `{{name}}` in the agent's prompt and greeting."),
    ] = {}
    metadata: Annotated[dict[str, Any], Meta(description="Anything of yours; comes back with the call.")] = {}
    max_call_seconds: Annotated[int, Meta(ge=10, le=14_400, description="Instead of the agent's.")] | None = (
        None
    )


class Placing:
    def __init__(self, database: Database, twilio: TwilioAccount, addresses: Addresses, who: Caller) -> None:
        self._who = who
        self._database = database
        self._twilio = twilio
        self._addresses = addresses

    async def place(self, wanted: NewCall, attempt: Attempt) -> Call:
        """The call, dialled or (when Twilio did not say) queued. What Twilio refuses is a 422."""
        agent, caller_id, limits = await self._checked(wanted)
        attempt.done_something = True
        call = await self._added(wanted, agent, caller_id, limits)
        await self._dial(call, agent, wanted.max_call_seconds or agent.config.max_call_seconds)
        return await calls.by_id(self._database, call.id) or call

    async def _dial(self, call: Call, agent: StoredAgent, max_call_seconds: int) -> None:
        try:
            call_sid = await self._twilio.place_call(
                to=call.to,
                from_=call.from_,
                url=self._addresses.outbound(call.id),
                status_callback=self._addresses.call_status(call.id),
                fallback_url=self._addresses.outbound(call.id),
                time_limit_seconds=max_call_seconds + TIME_LIMIT_MARGIN_SECONDS,
                machine_detection=self._machine_detection(call, agent.config.voicemail),
            )
        except TwilioRefused as refused:
            error = {"code": refused.code, "message": refused.message}
            await calls.finish(
                self._database, call.id, status="failed", reason=EndReason.DIAL_FAILED, error=error
            )
            raise twilio_problem(refused, call.id) from refused
        except TwilioUnreachable as unreachable:
            # Perhaps it rings already. Its callback will tell, or its row is failed after a minute.
            log.warning("dial_unanswered", call_id=call.id, why=str(unreachable))
        else:
            await calls.mark_dialled(self._database, call.id, call_sid)

    def _machine_detection(self, call: Call, voicemail: Voicemail | None) -> MachineDetection | None:
        if voicemail is None:
            return None
        return MachineDetection(
            callback=self._addresses.machine_detection(call.id),
            until_message_end=voicemail.on_machine == "leave_message",
        )

    async def _added(
        self, wanted: NewCall, agent: StoredAgent, caller_id: PhoneNumber, limits: Guards
    ) -> Call:
        """The call's row, counted and added in one transaction."""
        async with self._database.session.begin() as session:
            if why := await guards.why_too_much(session, limits, wanted.to):
                raise bad_field("to", why)
            call = await calls.create_outbound(
                session,
                agent_id=agent.id,
                agent_version=agent.version,
                phone_number_id=caller_id.id,
                from_=caller_id.number,
                to=wanted.to,
                variables=dict(wanted.variables),
                metadata=wanted.metadata,
                max_call_seconds=wanted.max_call_seconds,
            )
            await note(session, self._who, "call.placed", call.id)
            return call

    async def _checked(self, wanted: NewCall) -> tuple[StoredAgent, PhoneNumber, Guards]:
        async with self._database.session() as session:
            limits = await guards.current(session)
            agent = await find_agent(session, wanted.agent_id)
            ours = await own_numbers(session)
        if agent is None:
            raise bad_field("agent_id", "there is no such agent")
        caller_id = _caller_id(wanted, ours)
        if why := why_refused(
            wanted.to,
            own_numbers=[row.number for row in ours],
            countries=limits.countries,
            allow=limits.allow,
            deny=limits.deny,
        ):
            raise bad_field("to", why)
        if missing := missing_variables(agent.config, wanted.variables):
            names = ", ".join(sorted(missing))
            raise bad_field("variables", f"the agent needs a value for: {names}")
        return agent, caller_id, limits


TIME_LIMIT_MARGIN_SECONDS = 60
"""Twilio's own limit ends calls that we have lost sight of; ours ends them with a word, and earlier."""


def _caller_id(wanted: NewCall, ours: Sequence[PhoneNumber]) -> PhoneNumber:
    if wanted.from_ is not None:
        for row in ours:
            if row.number == wanted.from_:
                return row
        raise bad_field("from", "is not one of your numbers here: POST it to /v1/phone-numbers first")
    for row in ours:
        if row.agent_id == wanted.agent_id:
            return row
    raise bad_field("from", "this agent has no number of its own: say from which of your numbers to call")
