"""Call events on their way to the operator's webhooks, from the very transaction that writes them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import insert, select, text
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.ext.asyncio import AsyncSession

from database.delivery_queue import Job, enqueue
from database.models import Call as CallRow
from database.models import CallEvent as CallEventRow
from database.models import Webhook, WebhookDelivery, new_id
from database.shown import Call, CallEvent, shown_call, shown_event

_ANY_WEBHOOK = text("select exists (select from webhooks)")


class Notice(CallEvent, kw_only=True):
    """What a webhook is sent: the event, and the call as it stood then."""

    call: Call


async def send_to_webhooks(session: AsyncSession, event_ids: Sequence[int]) -> None:
    """Events just written: a delivery, and its place in the queue, for each webhook that wants one."""
    if not await session.scalar(_ANY_WEBHOOK):
        return
    wanted = (
        select(Webhook.id, CallEventRow)
        .join(CallEventRow, Webhook.events.overlap(array([CallEventRow.type, "*"])))
        .where(CallEventRow.id.in_(event_ids))
        .order_by(CallEventRow.id)
        # Whoever deletes a webhook must not hold up a call: one that is being deleted is passed over.
        .with_for_update(of=Webhook, read=True, key_share=True, skip_locked=True)
    )
    pairs = [(row[0], row[1]) for row in (await session.execute(wanted)).all()]
    if not pairs:
        return
    calls = await _calls(session, {event.call_id for _, event in pairs})
    rows = [
        {
            "id": new_id("msg"),
            "webhook_id": webhook_id,
            "call_id": event.call_id,
            "event_type": event.type,
            "body": _body(event, calls[event.call_id]),
        }
        for webhook_id, event in pairs
    ]
    await session.execute(insert(WebhookDelivery).values(rows))
    await enqueue(session, [Job(row["webhook_id"], row["id"], 0) for row in rows])


async def _calls(session: AsyncSession, call_ids: set[str]) -> dict[str, Call]:
    query = select(CallRow).where(CallRow.id.in_(call_ids)).execution_options(populate_existing=True)
    return {row.id: shown_call(row) for row in await session.scalars(query)}


def _body(event: CallEventRow, call: Call) -> str:
    shown = shown_event(event)
    fields = {name: getattr(shown, name) for name in CallEvent.__struct_fields__}
    return msgspec.json.encode(Notice(**fields, call=call)).decode()
