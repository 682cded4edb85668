"""What operators do on a live call goes to whoever holds it; what cannot be done is said at once."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from database import call_commands, calls, transfers
from database.notifications import CALL_COMMANDS, Notifications
from database.session import Database
from tests.integration.api.test_calls import place

Json = dict[str, Any]
DESK = {"name": "Front desk", "to": "+14155550177"}


@pytest.fixture
async def call(client: httpx.AsyncClient, database: Database, agent: Json, number: Json) -> Json:
    """A live one, whose agent has a destination."""
    tools = [{"type": "transfer_call", "destinations": [DESK]}]
    changed = await client.patch(
        f"/v1/agents/{agent['id']}", json={"tools": tools}, headers={"If-Match": "*"}
    )
    assert changed.status_code == 200, changed.text
    placed = await place(client, {"agent_id": agent["id"], "to": "+14155550199"})
    await calls.answer(database, placed["id"], holder=calls.Holder("process_0", "0"))
    return placed


@pytest.mark.parametrize(
    ("act", "body", "told"),
    [
        ("transfer", {"destination": "Front desk"}, {"destination": "Front desk"}),
        ("say", {"text": "Hi."}, {"text": "Hi.", "interrupt": False, "interruptible": True}),
    ],
)
async def test_whoever_holds_the_call_is_told(
    client: httpx.AsyncClient,
    database: Database,
    notifications: Notifications,
    call: Json,
    act: str,
    body: Json,
    told: Json,
) -> None:
    async def holder() -> tuple[str, Json]:
        with notifications.listen(CALL_COMMANDS, call["id"]) as news:
            while not (commands := await call_commands.waiting(database)):
                await news.wait()
        assert await call_commands.acknowledge(database, commands[0].id)
        return commands[0].command, commands[0].data

    taken = asyncio.create_task(holder())
    answer = await client.post(f"/v1/calls/{call['id']}/{act}", json=body)
    assert answer.status_code == 200, answer.text
    assert await taken == (act, told)


async def test_a_destination_is_one_of_the_agents_by_name_and_the_guards_are_asked_again(
    client: httpx.AsyncClient, call: Json
) -> None:
    path = f"/v1/calls/{call['id']}/transfer"
    by_number = await client.post(path, json={"destination": DESK["to"]})
    assert by_number.status_code == 422
    assert "Front desk" in by_number.json()["detail"]
    await client.put("/v1/guards", json={"deny": [DESK["to"]]})
    denied = await client.post(path, json={"destination": "Front desk"})
    assert denied.json()["errors"][0]["field"] == "destination"


async def test_nothing_is_said_to_a_caller_who_is_with_somebody_else(
    client: httpx.AsyncClient, database: Database, call: Json
) -> None:
    assert await transfers.plan(database, call["id"], "Front desk")
    for act, body in (("transfer", {"destination": "Front desk"}), ("say", {"text": "Hi."})):
        answer = await client.post(f"/v1/calls/{call['id']}/{act}", json=body)
        assert answer.status_code == 409
        assert "Front desk" in answer.json()["detail"]
