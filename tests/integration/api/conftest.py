"""The whole REST API on a real Postgres, with a small Twilio account behind it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide

from api.auth import Authenticator
from api.errors import EXCEPTION_HANDLERS
from api.openapi import PLUGINS, openapi_config
from api.routes import ROUTES
from database.notifications import Notifications
from database.secret_box import SecretBox
from database.session import Database
from outgoing.address_guard import AddressGuard
from outgoing.signing_secret import tool_signing_secrets
from outgoing.tool_requests import ToolRequests
from recordings.files import RecordingFiles
from telephony.addresses import Addresses
from telephony.twilio import TwilioAccount
from tests.fake_twilio import ACCOUNT, TOKEN, FakeTwilio

ADMIN_KEY = "an-admin-key-for-tests"
PUBLIC_URL = "http://127.0.0.1:8000"


def build_app(
    database: Database,
    twilio: TwilioAccount,
    notifications: Notifications,
    public_url: str = PUBLIC_URL,
    recordings: Path = Path("no-recordings"),
) -> Litestar:
    def provide(value: object) -> Provide:
        return Provide(lambda: value, sync_to_thread=False)

    return Litestar(
        route_handlers=ROUTES,
        exception_handlers=EXCEPTION_HANDLERS,
        plugins=PLUGINS,
        openapi_config=openapi_config("0.0.0"),
        logging_config=None,
        state=State({"authenticator": Authenticator(database, ADMIN_KEY)}),
        dependencies={
            "database": provide(database),
            "twilio": provide(twilio),
            "notifications": provide(notifications),
            "addresses": provide(Addresses(public_url)),
            "tool_requests": provide(
                ToolRequests(
                    AddressGuard(["localhost"]),
                    signing_secrets=tool_signing_secrets(["a-secret-key-for-tests"]),
                    user_agent="Callbridge/test",
                )
            ),
            "recording_files": provide(RecordingFiles(recordings, machine="this-machine")),
            "secret_box": provide(SecretBox(["a-secret-key-for-tests"])),
            "address_guard": provide(AddressGuard(["localhost"])),
        },
    )


def client_of(app: Litestar, key: str | None = ADMIN_KEY) -> httpx.AsyncClient:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)  # pyright: ignore[reportArgumentType] (Litestar's scope types are narrower)
    return httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers)


@pytest.fixture
async def network() -> AsyncGenerator[FakeTwilio]:
    fake = FakeTwilio()
    await fake.start()
    yield fake
    await fake.stop()


@pytest.fixture
async def twilio(network: FakeTwilio) -> AsyncGenerator[TwilioAccount]:
    account = TwilioAccount(ACCOUNT, [TOKEN], network.url)
    yield account
    await account.close()


@pytest.fixture
async def notifications(database_url: str) -> AsyncGenerator[Notifications]:
    notifications = Notifications(database_url)
    await notifications.start()
    yield notifications
    await notifications.stop()


@pytest.fixture
def app(database: Database, twilio: TwilioAccount, notifications: Notifications) -> Litestar:
    return build_app(database, twilio, notifications)


@pytest.fixture
async def client(app: Litestar) -> AsyncGenerator[httpx.AsyncClient]:
    async with client_of(app) as client:
        yield client


Json = dict[str, Any]


@pytest.fixture
async def agent(client: httpx.AsyncClient) -> Json:
    answer = await client.post("/v1/agents", json={"name": "Front desk", "prompt": "Answer the phone."})
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.fixture
async def number(client: httpx.AsyncClient, network: FakeTwilio, agent: Json) -> Json:
    network.own("+14155550100")
    answer = await client.post("/v1/phone-numbers", json={"number": "+14155550100", "agent_id": agent["id"]})
    assert answer.status_code == 201, answer.text
    return answer.json()
