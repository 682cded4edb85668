"""A call and its events as operators see them: in answers of the REST API and in webhooks."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from bridge.call.ending import EndReason
from bridge.call.transfer import read_transfer
from database import costs
from database.models import Call as CallRow
from database.models import CallEvent as CallEventRow

Status = Literal[
    "queued", "initiated", "ringing", "in-progress", "completed", "busy", "no-answer", "failed", "canceled"
]


class Cost(Struct, kw_only=True):
    """What a call costs, in decimals; a part is null while it is not known."""

    currency: Annotated[str, Meta(description="Of `model` and `total`.")]
    model: Annotated[str, Meta(description="OpenAI's share: its counts times the prices of the day.")] | None
    telephony: Annotated[str, Meta(description="Twilio's price, once it is rated.")] | None
    telephony_currency: Annotated[str, Meta(description="That of the Twilio account.")] | None
    total: Annotated[str, Meta(description="Null if `telephony` is in another currency.")] | None


class Call(Struct, kw_only=True, rename={"from_": "from"}):
    id: str
    direction: Literal["inbound", "outbound"]
    status: Annotated[Status, Meta(description="In Twilio's words.")]
    agent_id: str
    agent_version: Annotated[int, Meta(description="The version of the agent that the call runs on.")]
    from_: Annotated[
        str, Meta(description="As Twilio says it: E.164, `anonymous`, a client or a SIP address.")
    ]
    to: str
    twilio_call_sid: Annotated[str | None, Meta(description="Twilio's own id of the call.")]
    variables: Annotated[dict[str, Any], Meta(description="What filled `{{name}}` in prompt and greeting.")]
    metadata: Annotated[dict[str, Any], Meta(description="Yours, as it was given.")]
    created_at: dt.datetime
    answered_at: Annotated[dt.datetime, Meta(description="When we returned the TwiML that answers.")] | None
    ended_at: dt.datetime | None
    duration_seconds: Annotated[int, Meta(description="From the answer to the end.")] | None
    ended_reason: Annotated[EndReason | None, Meta(description="Why it ended; `null` while it has not.")]
    answered_by: (
        Annotated[
            str,
            Meta(
                description="In Twilio's words, such as `human` or `machine_end_beep`; for calls placed by an"
                " agent with `voicemail`."
            ),
        ]
        | None
    )
    transferred_to: (
        Annotated[str, Meta(description="The destination, by its name, at which somebody picked up.")] | None
    )
    usage: Annotated[dict[str, Any], Meta(description="OpenAI's token counts, summed.")] | None
    cost: Cost | None
    latency: Annotated[dict[str, Any], Meta(description="How long the caller waited, and for whom.")] | None
    error: Annotated[dict[str, Any], Meta(description="Twilio's or OpenAI's `code` and a `message`.")] | None
    content_erased_at: (
        Annotated[dt.datetime, Meta(description="When what was said was deleted, on request or for its age.")]
        | None
    )


class CallEvent(Struct, kw_only=True):
    id: Annotated[str, Meta(description="Rises within a call; `Last-Event-ID` names it.")]
    call_id: str
    at: dt.datetime
    offset_ms: Annotated[int, Meta(description="From the answer; negative before it.")]
    type: Annotated[str, Meta(description="`call.answered`, `agent.interrupted`, `call.ended`, …")]
    data: Annotated[dict[str, Any], Meta(description="What the type has to tell; often nothing.")]


def shown_call(row: CallRow) -> Call:
    transfer = read_transfer(row.transfer)
    lasted = row.ended_at - row.answered_at if row.ended_at and row.answered_at else None
    return Call(
        id=row.id,
        direction="inbound" if row.direction == "inbound" else "outbound",
        status=msgspec.convert(row.status, Status),
        agent_id=row.agent_id,
        agent_version=row.agent_version,
        from_=row.from_,
        to=row.to,
        twilio_call_sid=row.twilio_call_sid,
        variables=row.variables,
        metadata=row.metadata_,
        created_at=row.created_at,
        answered_at=row.answered_at,
        ended_at=row.ended_at,
        duration_seconds=None if lasted is None else round(lasted.total_seconds()),
        # A reason is committed a little before the end; to operators it is one when the call is over.
        ended_reason=EndReason(row.ended_reason) if row.ended_reason and row.ended_at else None,
        answered_by=row.answered_by,
        transferred_to=transfer.destination if transfer is not None and transfer.reached else None,
        usage=row.usage,
        cost=None if row.cost is None else _shown_cost(row.cost),
        latency=row.latency,
        error=row.error,
        content_erased_at=row.content_erased_at,
    )


def _shown_cost(cost: dict[str, Any]) -> Cost:
    return Cost(
        currency=costs.CURRENCY,
        model=cost.get("model"),
        telephony=cost.get("telephony"),
        telephony_currency=cost.get("telephony_currency"),
        total=costs.total(cost),
    )


def shown_event(row: CallEventRow) -> CallEvent:
    return CallEvent(
        id=str(row.id), call_id=row.call_id, at=row.at, offset_ms=row.offset_ms, type=row.type, data=row.data
    )
