"""Call events on their way from the transaction that writes them to the operator's system."""

from __future__ import annotations

import asyncio
import datetime as dt
from contextlib import suppress

import pytest
from aiohttp import web
from sqlalchemy import delete, func, select, text, update

from database import call_history, deliveries, webhooks
from database.call_events import add_event
from database.models import Call, WebhookDelivery
from database.notifications import Notifications
from database.session import Database
from notify.sender import WebhookSender
from tests.integration.notify.conftest import a_sender, add_call, add_webhook, happen
from tests.integration.notify.receiver import Receiver


async def delivery(database: Database, message_id: str | None = None) -> WebhookDelivery:
    query = select(WebhookDelivery)
    async with database.session() as session:
        found = await session.scalars(
            query if message_id is None else query.where(WebhookDelivery.id == message_id)
        )
        return found.one()


async def until_status(database: Database, status: str) -> WebhookDelivery:
    """Of the only delivery. What is written after the answer can only be asked for."""
    async with asyncio.timeout(10):
        while (row := await delivery(database)).status != status:  # noqa: ASYNC110 (the database has no event)
            await asyncio.sleep(0.02)
    return row


async def count(database: Database, table: str) -> int:
    async with database.session() as session:
        return await session.scalar(text(f"select count(*) from {table}")) or 0


async def test_an_event_arrives_signed_with_the_call_as_it_stood(
    database: Database, receiver: Receiver, sender: WebhookSender
) -> None:
    await add_webhook(database, receiver)
    call_id = await add_call(database)
    await happen(database, call_id, "agent.interrupted")
    await receiver.until(lambda: len(receiver.taken) == 1)
    [[event]] = receiver.taken.values()
    assert (event["type"], event["call_id"], event["data"]) == ("agent.interrupted", call_id, {"n": 1})
    assert event["call"]["id"] == call_id
    assert event["call"]["status"] == "in-progress"
    assert event["call"]["from"] == "+14155550101"
    assert receiver.headers[0]["content-type"] == "application/json"
    assert receiver.headers[0]["user-agent"] == "Callbridge/test"
    row = await until_status(database, "delivered")
    assert (row.attempts, row.response_code, row.error, row.next_attempt_at) == (1, 204, None, None)


async def test_only_the_events_that_a_webhook_names_are_sent_to_it(
    database: Database, receiver: Receiver, sender: WebhookSender
) -> None:
    await add_webhook(database, receiver, "/ends", ("call.ended",))
    await add_webhook(database, receiver, "/all")
    await happen(database, await add_call(database), "call.answered", "call.ended")
    await receiver.until(lambda: len(receiver.taken) == 3)
    types = [event["type"] for [event] in receiver.taken.values()]
    assert sorted(types) == ["call.answered", "call.ended", "call.ended"]


async def test_what_is_not_committed_is_not_sent(database: Database, receiver: Receiver) -> None:
    """A webhook tells of what the REST API also shows, never of what was rolled back."""
    await add_webhook(database, receiver)
    call_id = await add_call(database)
    with suppress(ZeroDivisionError):
        async with database.session.begin() as session:
            call = await session.get_one(Call, call_id)
            await add_event(session, call, "call.ringing", {})
            assert await session.scalar(select(func.count()).select_from(WebhookDelivery)) == 1
            raise ZeroDivisionError
    assert await count(database, "webhook_deliveries") == await count(database, "pgqueuer") == 0


async def test_a_receiver_that_fails_is_tried_again_with_the_same_id_and_body(
    database: Database, receiver: Receiver, sender: WebhookSender
) -> None:
    answers = iter([500, 503, 200])
    receiver.answer = lambda _: web.Response(status=next(answers))
    await add_webhook(database, receiver)
    await happen(database, await add_call(database), "call.ended")
    await receiver.until(lambda: len(receiver.taken) == 1)
    row = await until_status(database, "delivered")
    assert receiver.requests == {row.id: 3}
    assert (row.attempts, row.response_code) == (3, 200)
    counted = sender.counters
    assert (counted.webhooks_delivered, counted.webhook_attempts_failed, counted.webhooks_dead) == (1, 2, 0)


async def test_what_is_never_taken_is_given_up_listed_as_dead_and_can_be_sent_again(
    database: Database, receiver: Receiver, sender: WebhookSender
) -> None:
    receiver.answer = lambda _: web.Response(status=500)
    webhook = await add_webhook(database, receiver)
    await happen(database, await add_call(database), "call.ended")
    dead = await until_status(database, "dead")
    assert (dead.attempts, dead.response_code, dead.error) == (4, 500, "answered 500")
    async with database.session() as session:
        page = await webhooks.list_deliveries(session, webhook.id, status="dead", limit=10, after=None)
    assert [row.id for row in page.items] == [dead.id]

    receiver.answer = lambda _: web.Response(status=200)
    async with database.session.begin() as session:
        again = await webhooks.redeliver(session, webhook.id, dead.id)
    assert again is not None
    assert again.status == "pending"
    row = await until_status(database, "delivered")
    assert (row.id, row.attempts) == (dead.id, 1)


async def test_who_wants_it_never_again_is_not_asked_again(
    database: Database, receiver: Receiver, sender: WebhookSender
) -> None:
    receiver.answer = lambda _: web.Response(status=410)
    await add_webhook(database, receiver)
    await happen(database, await add_call(database), "call.ended")
    assert (await until_status(database, "dead")).attempts == 1


async def test_a_redirect_is_not_followed(
    database: Database, receiver: Receiver, sender: WebhookSender
) -> None:
    """It could lead from an address that may be reached to one that may not."""
    receiver.answer = lambda _: web.Response(status=302, headers={"Location": receiver.url + "/other"})
    webhook = await add_webhook(database, receiver)
    receiver.secrets["/other"] = receiver.secrets["/hook"]
    await happen(database, await add_call(database), "call.ended")
    row = await until_status(database, "dead")
    assert row.error == "answered 302; redirects are not followed"
    assert sum(receiver.requests.values()) == row.attempts
    assert row.webhook_id == webhook.id


async def test_an_endless_answer_is_not_read_to_its_end(database: Database, sender: WebhookSender) -> None:
    class Endless(Receiver):
        written = 0

        async def _receive(self, request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            while True:
                await response.write(b"x" * 65536)
                self.written += 65536

    bottomless = Endless()
    await bottomless.start()
    await add_webhook(database, bottomless)
    await happen(database, await add_call(database), "call.ended")
    row = await until_status(database, "delivered")
    assert (row.response_code, row.attempts) == (200, 1)
    assert bottomless.written < 50_000_000
    await bottomless.stop()


async def test_a_private_address_that_nobody_allowed_gets_nothing(
    database: Database, receiver: Receiver, sender: WebhookSender
) -> None:
    """Even when it got past the check at its creation: the setting may have changed since."""
    receiver.url = receiver.url.replace("localhost", "127.0.0.1")
    await add_webhook(database, receiver)
    await happen(database, await add_call(database), "call.ended")
    row = await until_status(database, "dead")
    assert row.error is not None
    assert "OUTGOING_ALLOWED_HOSTS" in row.error
    assert not receiver.requests


async def test_a_receiver_that_hangs_holds_up_no_other(
    database: Database, receiver: Receiver, sender: WebhookSender
) -> None:
    released = asyncio.Event()
    slow = Receiver()
    await slow.start()

    async def hang(_: str) -> web.Response:
        await released.wait()
        return web.Response()

    slow.answer = hang
    await add_webhook(database, slow, events=("call.ended",))
    await add_webhook(database, receiver, events=("call.answered",))
    call_id = await add_call(database)
    await happen(database, call_id, *["call.ended"] * 60)
    await slow.until(lambda: len(slow.requests) == 10)
    await happen(database, call_id, "call.answered")
    await receiver.until(lambda: len(receiver.taken) == 1)
    assert len(slow.requests) == 10
    released.set()
    await slow.until(lambda: len(slow.taken) == 60)
    await slow.stop()


async def test_a_lost_connection_to_postgres_delays_and_loses_nothing(
    database: Database, receiver: Receiver, sender: WebhookSender
) -> None:
    await add_webhook(database, receiver)
    call_id = await add_call(database)
    await happen(database, call_id, "call.answered")
    await receiver.until(lambda: len(receiver.taken) == 1)
    async with database.session() as session:
        cut = await session.scalars(
            text(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )
        )
        assert any(cut)
    await happen(database, call_id, "call.ended")
    await receiver.until(lambda: len(receiver.taken) == 2)


async def test_deleting_a_webhook_ends_its_deliveries(
    database: Database, receiver: Receiver, notifications: Notifications
) -> None:
    webhook = await add_webhook(database, receiver)
    await happen(database, await add_call(database), "call.ended")
    async with database.session.begin() as session:
        assert await webhooks.delete_webhook(session, webhook.id)
    assert await count(database, "webhook_deliveries") == await count(database, "pgqueuer") == 0


async def test_a_call_is_not_held_up_while_a_webhook_is_being_deleted(
    database: Database, receiver: Receiver
) -> None:
    webhook = await add_webhook(database, receiver)
    call_id = await add_call(database)
    async with database.session.begin() as deleting:
        await webhooks.delete_webhook(deleting, webhook.id)
        async with asyncio.timeout(2):
            await happen(database, call_id, "call.ended")
    assert await count(database, "call_events") == 1
    assert await count(database, "webhook_deliveries") == 0


async def test_erasing_a_call_erases_what_webhooks_were_to_say_of_it(
    database: Database, receiver: Receiver
) -> None:
    await add_webhook(database, receiver)
    call_id = await add_call(database)
    await happen(database, call_id, "call.ended")
    async with database.session.begin() as session:
        await call_history.erase_content(session, await session.get_one(Call, call_id))
    assert await count(database, "webhook_deliveries") == 0


async def test_stopping_puts_what_was_in_the_works_back(
    database: Database, receiver: Receiver, notifications: Notifications, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deployment stops processes all the time: what they had begun is another one's at once."""
    monkeypatch.setattr("notify.sender.STOP_SECONDS", 0.1)

    async def hang(_: str) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    receiver.answer = hang
    await add_webhook(database, receiver)
    first = a_sender(database, notifications)
    first.start()
    await happen(database, await add_call(database), "call.ended")
    await receiver.until(lambda: len(receiver.requests) == 1)
    await first.stop()

    receiver.answer = lambda _: web.Response()
    second = a_sender(database, notifications)
    second.start()
    await receiver.until(lambda: len(receiver.taken) == 1, timeout_s=5)
    await second.stop()


async def test_a_delivery_that_fell_out_of_the_queue_is_put_back(
    database: Database, receiver: Receiver, sender: WebhookSender
) -> None:
    """PgQueuer forgets a job whose retry it cannot write; what counts is in our own table."""
    await sender.stop()
    await add_webhook(database, receiver)
    await happen(database, await add_call(database), "call.ended", "call.answered")
    async with database.session.begin() as session:
        await session.execute(text("delete from pgqueuer where id in (select id from pgqueuer limit 1)"))
    async with database.session.begin() as session:
        assert await deliveries.requeue_lost(session) == 0, "it is not overdue yet"
        overdue = func.now() - dt.timedelta(hours=1)
        await session.execute(update(WebhookDelivery).values(next_attempt_at=overdue))
    async with database.session.begin() as session:
        assert await deliveries.requeue_lost(session) == 1
    async with database.session.begin() as session:
        assert await deliveries.requeue_lost(session) == 0
    assert await count(database, "pgqueuer") == 2


async def test_old_deliveries_are_forgotten_and_those_still_to_be_tried_are_not(
    database: Database, receiver: Receiver
) -> None:
    await add_webhook(database, receiver)
    await happen(database, await add_call(database), "call.ended", "call.answered", "call.ringing")
    async with database.session.begin() as session:
        long_ago = func.now() - dt.timedelta(days=31)
        await session.execute(update(WebhookDelivery).values(created_at=long_ago))
        await session.execute(
            update(WebhookDelivery)
            .where(WebhookDelivery.event_type != "call.ended")
            .values(status="dead", next_attempt_at=None)
        )
        await deliveries.forget_old(session)
    assert (await delivery(database)).event_type == "call.ended"
    async with database.session.begin() as session:
        await session.execute(delete(WebhookDelivery))
