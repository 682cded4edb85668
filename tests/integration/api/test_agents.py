from __future__ import annotations

from typing import Any

import httpx
import pytest

from database import calls
from database.session import Database

Json = dict[str, Any]


async def test_name_and_prompt_are_enough_and_the_rest_has_defaults(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/agents", json={"name": "Front desk", "prompt": "Answer the phone."})
    assert answer.status_code == 201
    agent = answer.json()
    assert (agent["version"], agent["voice"], agent["tools"]) == (1, "ash", [{"type": "end_call"}])
    assert agent["created_at"].endswith("Z")
    assert answer.headers["etag"] == '"1"'
    assert (await client.get(f"/v1/agents/{agent['id']}")).json() == agent


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"prompt": "x"}, "name", "required"),
        ({"name": "a", "prompt": "x", "nmae": "b"}, "nmae", "not a field"),
        ({"name": "a", "prompt": "x", "record": "yes"}, "record", "expected"),
        ({"name": "a", "prompt": "x", "speed": "1.0"}, "speed", "expected"),
        ({"name": "a", "prompt": "x", "speed": 9}, "speed", "<= 1.5"),
        (
            {"name": "a", "prompt": "x", "voicemail": {"on_machine": "leave_message"}},
            "voicemail.message",
            "give the words",
        ),
        ({"name": "a", "prompt": "x", "tools": [{"type": "fly"}]}, "tools[0].type", "fly"),
        ({"name": "a", "prompt": "x", "keys": {"terminator": "5"}}, "keys.terminator", "5"),
        (
            {"name": "a", "prompt": "x", "turn_detection": {"type": "psychic"}},
            "turn_detection.type",
            "psychic",
        ),
        ({"name": "a", "prompt": "x", "fallback_number": "911"}, "fallback_number", "matching"),
    ],
)
async def test_wrong_fields_are_named(client: httpx.AsyncClient, body: Json, field: str, words: str) -> None:
    answer = await client.post("/v1/agents", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    [error] = answer.json()["errors"]
    assert error["field"] == field
    assert words in error["message"]


async def test_a_change_makes_a_version_and_leaves_the_old_one_as_it_was(
    client: httpx.AsyncClient, agent: Json
) -> None:
    path = f"/v1/agents/{agent['id']}"
    changed = await client.patch(
        path, json={"voice": "marin", "greeting": "Hello."}, headers={"If-Match": "1"}
    )
    assert changed.status_code == 200
    assert (changed.json()["version"], changed.json()["voice"]) == (2, "marin")
    assert changed.json()["prompt"] == agent["prompt"]
    versions = (await client.get(f"{path}/versions")).json()
    assert [(one["version"], one["voice"]) for one in versions["items"]] == [(2, "marin"), (1, "ash")]
    assert versions["next_cursor"] is None


async def test_null_takes_an_optional_setting_away_and_is_wrong_for_a_required_one(
    client: httpx.AsyncClient, agent: Json
) -> None:
    path = f"/v1/agents/{agent['id']}"
    answer = await client.patch(path, json={"noise_reduction": None}, headers={"If-Match": '"1"'})
    assert answer.json()["noise_reduction"] is None
    answer = await client.patch(path, json={"name": None}, headers={"If-Match": "2"})
    assert answer.status_code == 422


async def test_a_change_that_changes_nothing_makes_no_version(client: httpx.AsyncClient, agent: Json) -> None:
    answer = await client.patch(f"/v1/agents/{agent['id']}", json={"voice": "ash"}, headers={"If-Match": "1"})
    assert answer.json() == agent


async def test_a_change_of_what_somebody_else_has_changed_is_refused(
    client: httpx.AsyncClient, agent: Json
) -> None:
    path = f"/v1/agents/{agent['id']}"
    await client.patch(path, json={"voice": "marin"}, headers={"If-Match": "1"})
    late = await client.patch(path, json={"voice": "cedar"}, headers={"If-Match": "1"})
    assert late.status_code == 412
    assert "version 2" in late.json()["detail"]
    unsure = await client.patch(path, json={"voice": "cedar"})
    assert unsure.status_code == 428
    assert "If-Match" in unsure.json()["detail"]


async def test_restoring_makes_a_new_version_of_an_old_one(client: httpx.AsyncClient, agent: Json) -> None:
    path = f"/v1/agents/{agent['id']}"
    await client.patch(path, json={"voice": "marin"}, headers={"If-Match": "1"})
    restored = await client.post(f"{path}/versions/1/restore")
    assert restored.status_code == 200
    assert (restored.json()["version"], restored.json()["voice"]) == (3, "ash")
    assert (await client.post(f"{path}/versions/9/restore")).status_code == 404


async def test_lists_go_on_where_the_page_before_ended(client: httpx.AsyncClient) -> None:
    for name in ("one", "two", "three"):
        await client.post("/v1/agents", json={"name": name, "prompt": "x"})
    first = (await client.get("/v1/agents", params={"limit": 2})).json()
    assert [one["name"] for one in first["items"]] == ["three", "two"]
    rest = (await client.get("/v1/agents", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [one["name"] for one in rest["items"]] == ["one"]
    assert rest["next_cursor"] is None
    wrong = await client.get("/v1/agents", params={"cursor": "nonsense"})
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["field"] == "cursor"


async def test_an_agent_with_numbers_is_not_deleted(
    client: httpx.AsyncClient, agent: Json, number: Json
) -> None:
    assert number["agent_id"] == agent["id"]
    answer = await client.delete(f"/v1/agents/{agent['id']}")
    assert answer.status_code == 409
    assert "Phone numbers" in answer.json()["detail"]


async def test_a_deleted_agent_is_gone_but_its_calls_stay(
    client: httpx.AsyncClient, agent: Json, database: Database
) -> None:
    async with database.session.begin() as session:
        call = await calls.create_outbound(
            session,
            agent_id=agent["id"],
            agent_version=1,
            phone_number_id=None,
            from_="+14155550100",
            to="+14155550199",
            variables={},
            metadata={},
        )
    assert (await client.delete(f"/v1/agents/{agent['id']}")).status_code == 204
    for path in ("", "/versions"):
        assert (await client.get(f"/v1/agents/{agent['id']}{path}")).status_code == 404
    assert (await client.get("/v1/agents")).json()["items"] == []
    assert (await client.get(f"/v1/calls/{call.id}")).json()["agent_id"] == agent["id"]
    assert (await client.delete(f"/v1/agents/{agent['id']}")).status_code == 404


async def test_an_agent_that_answers_a_number_gets_no_variable_without_default(
    client: httpx.AsyncClient, agent: Json, number: Json
) -> None:
    """Nobody could give it a value when the phone rings."""
    assert number["agent_id"] == agent["id"]
    path = f"/v1/agents/{agent['id']}"
    refused = await client.patch(path, json={"prompt": "Call {{name}}."}, headers={"If-Match": "1"})
    assert refused.status_code == 422
    assert "name" in refused.json()["detail"]
    fine = await client.patch(path, json={"prompt": "Call {{name|her}}."}, headers={"If-Match": "1"})
    assert fine.status_code == 200
