from __future__ import annotations

import datetime as dt
from collections.abc import AsyncGenerator

import pytest

from bridge.call.agent import AgentConfig
from database import journal, webhooks
from database.agents import create_agent
from database.journal import EventEntry
from database.models import Call, Webhook, new_id
from database.notifications import Notifications
from database.secret_box import SecretBox
from database.session import Database
from notify.retries import Retries
from notify.sender import WebhookSender
from outgoing.address_guard import AddressGuard
from tests.integration.notify.receiver import Receiver

SECRET_KEY = "a-secret-key-of-the-tests-0123456789"
QUICK = Retries(first_seconds=0.05, factor=1.5, longest_seconds=0.2, attempts=4)


@pytest.fixture
async def receiver() -> AsyncGenerator[Receiver]:
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.stop()


@pytest.fixture
async def notifications(database_url: str) -> AsyncGenerator[Notifications]:
    notifications = Notifications(database_url)
    await notifications.start()
    await notifications.connected.wait()
    yield notifications
    await notifications.stop()


@pytest.fixture
async def sender(database: Database, notifications: Notifications) -> AsyncGenerator[WebhookSender]:
    """Running, with little patience between attempts."""
    sender = a_sender(database, notifications)
    sender.start()
    yield sender
    await sender.stop()


def a_sender(database: Database, notifications: Notifications) -> WebhookSender:
    return WebhookSender(
        database=database,
        notifications=notifications,
        secret_box=SecretBox([SECRET_KEY]),
        guard=AddressGuard(["localhost"]),
        user_agent="Callbridge/test",
        retries=QUICK,
    )


async def add_webhook(
    database: Database, receiver: Receiver, path: str = "/hook", events: tuple[str, ...] = ("*",)
) -> Webhook:
    async with database.session.begin() as session:
        webhook, secret = await webhooks.create_webhook(
            session, SecretBox([SECRET_KEY]), url=receiver.url + path, events=events
        )
    receiver.secrets[path] = secret
    return webhook


async def add_call(database: Database) -> str:
    async with database.session.begin() as session:
        agent = await create_agent(session, AgentConfig(name="Front desk", prompt="Answer."))
        call = Call(
            id=new_id("call"),
            direction="inbound",
            status="in-progress",
            agent_id=agent.id,
            agent_version=agent.version,
            from_="+14155550101",
            to="+12125550100",
        )
        session.add(call)
    return call.id


async def happen(database: Database, call_id: str, *types: str) -> None:
    """As a live call's journal writes it."""
    now = dt.datetime.now(dt.UTC)
    await journal.write(database, [EventEntry(call_id, now, 10, type_, {"n": 1}) for type_ in types])
