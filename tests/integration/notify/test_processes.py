"""A thousand deliveries, two processes, one of them killed, a receiver that fails every other time."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import sys
from collections import Counter

import httpx
import pytest
from aiohttp import web
from sqlalchemy import func, select

from database.models import WebhookDelivery
from database.session import Database
from notify.sender import AT_ONCE_TO_ONE
from tests.integration.notify.conftest import SECRET_KEY, add_call, add_webhook, happen
from tests.integration.notify.receiver import Receiver

DELIVERIES = 1000
CALLS = 20
KILLED_AFTER = 300
TYPES = ("call.answered", "agent.started_speaking", "agent.interrupted", "transcript.line", "call.ended")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def start_worker(database_url: str, slot: int) -> asyncio.subprocess.Process:
    """A process of its own, serving."""
    port = free_port()
    settings = {
        "DATABASE_URL": database_url,
        "PUBLIC_URL": "https://voice.example.com",
        "ADMIN_API_KEY": "an-admin-key-of-the-tests",
        "SECRET_KEY": SECRET_KEY,
        "OPENAI_API_KEY": "sk-made-up",
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "TWILIO_AUTH_TOKEN": "f" * 32,
        "OUTGOING_ALLOWED_HOSTS": "localhost",
        "LOG_LEVEL": "error",
        "DRAIN_SECONDS": "0",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.notify.worker_process", str(slot), str(port),
        env=os.environ | settings,
    )  # fmt: skip
    async with asyncio.timeout(30), httpx.AsyncClient() as client:
        while True:
            assert process.returncode is None
            try:
                if (await client.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200:
                    return process
            except httpx.TransportError:
                await asyncio.wait([asyncio.ensure_future(process.wait())], timeout=0.1)


@pytest.mark.timeout(240)
async def test_none_of_a_thousand_deliveries_is_lost_when_a_process_is_killed(
    database: Database, database_url: str, receiver: Receiver
) -> None:
    dice = random.Random(1)
    receiver.answer = lambda _: web.Response(status=dice.choice((200, 500)))
    await add_webhook(database, receiver)
    killed, survivor = await asyncio.gather(*(start_worker(database_url, slot) for slot in (0, 1)))
    try:
        for _ in range(CALLS):
            call_id = await add_call(database)
            await happen(database, call_id, *TYPES * (DELIVERIES // CALLS // len(TYPES)))
        await receiver.until(lambda: len(receiver.taken) >= KILLED_AFTER, timeout_s=90)
        killed.kill()
        await killed.wait()
        await receiver.until(lambda: len(receiver.taken) == DELIVERIES, timeout_s=120)
        await until_all_delivered(database)
    finally:
        survivor.terminate()
        await survivor.wait()
    # The receiver checked each signature with the reference library before it took anything.
    assert Counter(event["type"] for [event, *_] in receiver.taken.values()) == dict.fromkeys(
        TYPES, DELIVERIES // len(TYPES)
    )
    twice = [message_id for message_id, events in receiver.taken.items() if len(events) > 1]
    # Only what the killed process was about to write down may come again, under the same id.
    assert len(twice) <= AT_ONCE_TO_ONE
    assert sum(receiver.requests.values()) > 1.5 * DELIVERIES


async def until_all_delivered(database: Database) -> None:
    async with asyncio.timeout(30):
        while True:
            async with database.session() as session:
                query = select(WebhookDelivery.status, func.count()).group_by(WebhookDelivery.status)
                statuses = {row[0]: row[1] for row in (await session.execute(query)).all()}
            if statuses == {"delivered": DELIVERIES}:
                return
            await asyncio.sleep(0.1)
