from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest
from litestar.testing import AsyncTestClient

from server.app import create_app
from server.parts import Parts
from server.settings import Settings
from tests.conftest import run_sql


def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings.from_env(
        {
            "DATABASE_URL": database_url,
            "DATA_DIR": str(tmp_path),
            "PUBLIC_URL": "http://127.0.0.1:8000",
            "ADMIN_API_KEY": "an-admin-key-of-the-tests",
            "SECRET_KEY": "a-secret-key-of-the-tests",
            "OPENAI_API_KEY": "sk-made-up",
            "OPENAI_BASE_URL": "http://127.0.0.1:9",
            "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
            "TWILIO_AUTH_TOKEN": "made-up",
            "TWILIO_API_BASE_URL": "http://127.0.0.1:9",
            "DRAIN_SECONDS": "0",
        },
        mode="serve",
    )


@pytest.fixture
def parts(database_url: str, tmp_path: Path) -> Parts:
    return Parts(settings(database_url, tmp_path), "0")


@pytest.fixture
async def client(parts: Parts) -> AsyncGenerator[AsyncTestClient]:
    async with AsyncTestClient(create_app(parts)) as client:
        yield client


async def test_ready(client: AsyncTestClient) -> None:
    answer = await client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["database"] == "ok"
    assert (await client.get("/healthz")).json() == {"status": "alive"}


async def test_ready_while_postgres_is_away(tmp_path: Path) -> None:
    """Calls go on and are taken: a load balancer must not take the server out."""
    away = Parts(settings("postgresql://nobody@127.0.0.1:9/nothing", tmp_path), "0")
    async with AsyncTestClient(create_app(away)) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["database"] == "away"


async def test_not_ready_on_an_older_schema(client: AsyncTestClient, database_url: str) -> None:
    await run_sql(database_url, "update alembic_version set version_num = '0000'")
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "schema_too_old")


async def test_ready_on_a_newer_schema(client: AsyncTestClient, database_url: str) -> None:
    """The next release migrates while this one still serves."""
    await run_sql(database_url, "update alembic_version set version_num = '9999'")
    assert (await client.get("/readyz")).status_code == 200


async def test_not_ready_while_draining(client: AsyncTestClient, parts: Parts) -> None:
    await parts.drain()
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "draining")


async def test_calls_go_on_while_postgres_is_away(tmp_path: Path) -> None:
    """Taking every process out of service for the database's sake would end all calls."""
    away = settings(f"postgresql://nobody@/x?host={tmp_path}", tmp_path)
    async with AsyncTestClient(create_app(Parts(away, "0"))) as client:
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["database"]) == (200, "away")
        refused = await client.get(
            "/v1/agents", headers={"Authorization": "Bearer an-admin-key-of-the-tests"}
        )
        assert refused.status_code == 503


async def test_the_schema_and_its_page_need_nobody_elses_server(client: AsyncTestClient) -> None:
    schema = (await client.get("/schema/openapi.json")).json()
    assert schema["openapi"].startswith("3.1")
    assert not [path for path in schema["paths"] if path.startswith(("/twilio", "/metrics"))]
    page = await client.get("/schema")
    assert page.status_code == 200
    loaded = [word.split('"')[1] for word in page.text.split() if word.startswith(('src="', 'href="'))]
    assert loaded
    for address in loaded:
        assert (await client.get(address)).status_code == 200


def asking_from(address: str, parts: Parts) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_app(parts), client=(address, 50_000))  # pyright: ignore[reportArgumentType] (two spellings of an ASGI application)
    return httpx.AsyncClient(transport=transport, base_url="http://callbridge")


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
async def test_figures_are_not_served_to_what_a_proxy_forwards(parts: Parts, header: str) -> None:
    async with asking_from("10.1.2.3", parts) as client:
        assert "callbridge_live_calls 0.0" in (await client.get("/metrics")).text
        assert (await client.get("/metrics", headers={header: "127.0.0.1"})).status_code == 404


async def test_figures_are_not_served_to_the_public(parts: Parts) -> None:
    async with asking_from("203.0.114.7", parts) as client:
        for path in ("/metrics", "/metrics/process"):
            assert (await client.get(path)).status_code == 404
