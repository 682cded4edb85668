"""Operators' own canned speech: what is sent is what calls say, in the order of who it belongs to."""

from __future__ import annotations

import base64
import datetime as dt
import io
import wave
from typing import Any

import httpx
import numpy as np
import pytest

from bridge.call.lines import Lines
from bridge.runtime.snapshot import agent_of
from database.models import Call
from database.session import Database
from lines.built_in import built_in
from simulator.audio import mulaw
from tests.integration.api.conftest import client_of

Json = dict[str, Any]
WAV = {"Content-Type": "audio/wav"}


def wav(
    samples: int = 8_000, *, rate: int = 8_000, channels: int = 1, width: int = 2, hertz: float = 500
) -> bytes:
    """A tone, written by Python's own library."""
    sine = (8_000 * np.sin(2 * np.pi * hertz * np.arange(samples) / rate)).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((channels, width, rate, 0, "NONE", ""))
        out.writeframes(np.repeat(sine, channels).tobytes()[: samples * channels * width])
    return file.getvalue()


async def put(client: httpx.AsyncClient, path: str, sound: bytes, text: str = "Momento.") -> Json:
    answer = await client.put(path, params={"text": text}, content=sound, headers=WAV)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def lines_of_a_call(database: Database, agent: Json) -> Lines:
    now = dt.datetime.now(dt.UTC)
    newest = Call(id="call_1", agent_id=agent["id"], agent_version=agent["version"], from_="a", to="b")
    newest.variables, newest.created_at = {}, now
    return (await agent_of(database, newest)).lines


async def spanish(client: httpx.AsyncClient, language: str = "es-MX") -> Json:
    body = {"name": "Recepción", "prompt": "Contesta.", "language": language}
    return (await client.post("/v1/agents", json=body)).json()


async def test_a_line_that_is_sent_is_what_calls_say(
    client: httpx.AsyncClient, database: Database, agent: Json
) -> None:
    assert await lines_of_a_call(database, agent) is built_in()
    path = f"/v1/agents/{agent['id']}/lines/filler"
    shown = await put(client, path, wav(8_100), "One second, love.")
    assert shown == {"line": "filler", "source": "agent", "text": "One second, love.", "duration_ms": 1012}

    lines = await lines_of_a_call(database, agent)
    assert lines.filler.text == "One second, love."
    sound = base64.b64decode(lines.filler.payload)
    assert len(sound) == 51 * 160, "filled up to whole frames"
    sine = 8_000 * np.sin(2 * np.pi * 500 * np.arange(8_100) / 8_000)
    assert np.abs(mulaw.decode(sound)[:8_100] - sine).max() < 260, "as exact as mu-law is"
    assert set(sound[8_100:]) == {0xFF}
    assert lines.apology is built_in().apology

    listed = (await client.get(f"/v1/agents/{agent['id']}/lines")).json()["items"]
    sources = [(one["line"], one["source"]) for one in listed]
    assert sources == [
        ("filler", "agent"),
        ("hold", "built_in"),
        ("apology", "built_in"),
        ("closing", "built_in"),
    ]


async def test_all_calls_share_one_copy_until_it_changes(
    client: httpx.AsyncClient, database: Database, agent: Json
) -> None:
    """Hundreds of calls, each with its own copy of some seconds of sound, would be memory for nothing."""
    path = f"/v1/agents/{agent['id']}/lines/hold"
    await put(client, path, wav())
    first = await lines_of_a_call(database, agent)
    assert await lines_of_a_call(database, agent) is first
    await put(client, path, wav(hertz=700))
    second = await lines_of_a_call(database, agent)
    assert second.hold.payload != first.hold.payload
    assert (await client.delete(path)).status_code == 204
    assert await lines_of_a_call(database, agent) is built_in()


async def test_the_agents_own_comes_before_its_languages(
    client: httpx.AsyncClient, database: Database
) -> None:
    agent = await spanish(client)
    for number, place in enumerate(("lines/es", "lines/es-mx", f"agents/{agent['id']}/lines")):
        await put(client, f"/v1/{place}/filler", wav(), f"{number}")
        assert (await lines_of_a_call(database, agent)).filler.text == f"{number}"
    assert (await lines_of_a_call(database, await spanish(client, "es-AR"))).filler.text == "0"
    assert (await lines_of_a_call(database, await spanish(client, "pt"))).filler is built_in().filler
    listed = (await client.get("/v1/lines/es-MX")).json()["items"]
    assert [(one["line"], one["source"], one["text"]) for one in listed] == [("filler", "language", "1")]


async def test_an_agent_without_a_language_says_the_english_lines(
    client: httpx.AsyncClient, database: Database, agent: Json
) -> None:
    await put(client, "/v1/lines/en/apology", wav(), "Sorry about that.")
    assert (await lines_of_a_call(database, agent)).apology.text == "Sorry about that."


async def test_what_was_sent_can_be_heard(client: httpx.AsyncClient, agent: Json) -> None:
    """The answer is itself a file that can be sent."""
    path = f"/v1/agents/{agent['id']}/lines/closing"
    await put(client, path, wav())
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/wav")
    await put(client, "/v1/lines/fr/closing", answer.content)
    assert (await client.get("/v1/lines/fr/closing")).content == answer.content
    assert (await client.get("/v1/lines/fr/hold")).status_code == 404


@pytest.mark.parametrize(
    ("sound", "wrong"),
    [
        (wav(44_100, rate=44_100), "44100 Hz, 1 channel(s), 16-bit PCM"),
        (wav(channels=2), "2 channel(s)"),
        (wav(width=1), "8-bit PCM"),
        (wav(16 * 8_000), "16.0 s"),
        (wav(0), "holds no sound"),
        (wav()[:30], "broken"),
        (b"ID3 an mp3", "not a WAV file"),
    ],
)
async def test_a_file_that_a_telephone_cannot_play_is_refused_with_what_to_do(
    client: httpx.AsyncClient, agent: Json, sound: bytes, wrong: str
) -> None:
    path = f"/v1/agents/{agent['id']}/lines/filler"
    answer = await client.put(path, params={"text": "x"}, content=sound, headers=WAV)
    assert answer.status_code == 422, answer.text
    assert wrong in answer.json()["detail"]
    assert "ffmpeg" in answer.json()["detail"] or "Cut it" in answer.json()["detail"]
    assert (await client.get(path)).status_code == 404


async def test_what_is_asked_for_wrongly_is_refused(client: httpx.AsyncClient, agent: Json) -> None:
    own = f"/v1/agents/{agent['id']}/lines"
    asked: list[tuple[str, str, dict[str, str], int]] = [
        (f"{own}/filler", "a", {"Content-Type": "application/json"}, 415),
        (f"{own}/filler", "", WAV, 422),
        (f"{own}/greeting", "a", WAV, 422),
        ("/v1/agents/agent_0/lines/filler", "a", WAV, 404),
        ("/v1/lines/klingon!/filler", "a", WAV, 422),
    ]
    for path, text, headers, status in asked:
        answer = await client.put(path, params={"text": text}, content=wav(), headers=headers)
        assert answer.status_code == status, (path, answer.text)
    assert (await client.delete(f"{own}/filler")).status_code == 404


async def test_reading_and_writing_are_two_scopes(app: Any, client: httpx.AsyncClient, agent: Json) -> None:
    key = (await client.post("/v1/api-keys", json={"name": "r", "scopes": ["agents:read"]})).json()
    path = f"/v1/agents/{agent['id']}/lines"
    async with client_of(app, key["secret"]) as reader:
        assert (await reader.get(path)).status_code == 200
        refused = await reader.put(f"{path}/hold", params={"text": "x"}, content=wav(), headers=WAV)
        assert refused.status_code == 403


async def test_changes_are_in_the_audit_log(client: httpx.AsyncClient, agent: Json) -> None:
    path = f"/v1/agents/{agent['id']}/lines/hold"
    await put(client, path, wav())
    await client.delete(path)
    await put(client, "/v1/lines/ES/hold", wav())
    await client.delete("/v1/lines/es/hold")
    log = (await client.get("/v1/audit-log")).json()["items"]
    entries = [(one["action"], one["object_id"], one["fields"]) for one in reversed(log)]
    assert entries[-4:] == [
        ("line.changed", agent["id"], ["hold"]),
        ("line.deleted", agent["id"], ["hold"]),
        ("line.changed", "es", ["hold"]),
        ("line.deleted", "es", ["hold"]),
    ]
