"""A recording as HTTP: whole, in ranges, while it grows, and gone."""

from __future__ import annotations

import contextlib
import datetime as dt
from pathlib import Path
from typing import Any

import httpx
import pytest

from bridge.call.ending import EndReason
from bridge.runtime.recording_eraser import RecordingEraser
from database import calls, journal
from database.notifications import Notifications
from database.recordings import RecordingEntry, parts_of
from database.session import Database
from recordings.files import RecordingFiles
from telephony.twilio import TwilioAccount
from tests.conftest import run_sql
from tests.integration.api.conftest import build_app, client_of

Json = dict[str, Any]
AT = dt.datetime(2026, 11, 22, 10, 0, tzinfo=dt.UTC)
SOUND = bytes(range(200)) * 100


@pytest.fixture
def files(tmp_path: Path) -> RecordingFiles:
    return RecordingFiles(tmp_path, machine="this-machine")


@pytest.fixture
def client(
    database: Database, twilio: TwilioAccount, notifications: Notifications, tmp_path: Path
) -> httpx.AsyncClient:
    return client_of(build_app(database, twilio, notifications, recordings=tmp_path))


@pytest.fixture
async def call_id(database: Database, agent: Json, files: RecordingFiles) -> str:
    """A finished call with one part of 1.25 s."""
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
    await calls.finish(database, call.id, status="completed", reason=EndReason.CALLER_HUNG_UP)
    with contextlib.closing(files.open(call.id, 1)) as file:
        file.append(SOUND)
    await journal.write(database, [RecordingEntry(call.id, 1, AT, "this-machine", len(SOUND))])
    return call.id


async def test_all_of_it_is_a_wav_file(client: httpx.AsyncClient, call_id: str) -> None:
    answer = await client.get(f"/v1/calls/{call_id}/recording")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["accept-ranges"] == "bytes"
    assert int(answer.headers["content-length"]) == len(answer.content) == 58 + len(SOUND)
    assert answer.content.startswith(b"RIFF") and answer.content.endswith(SOUND)


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("0-0", 0, 0),
        ("58-157", 58, 157),
        ("20000-", 20_000, 20_057),
        ("-100", 19_958, 20_057),
        ("0-99999", 0, 20_057),
    ],
)
async def test_a_range_is_the_bytes_from_first_to_last(
    client: httpx.AsyncClient, call_id: str, asked: str, first: int, last: int
) -> None:
    whole = (await client.get(f"/v1/calls/{call_id}/recording")).content
    answer = await client.get(f"/v1/calls/{call_id}/recording", headers={"Range": f"bytes={asked}"})
    assert answer.status_code == 206
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(whole)}"
    assert answer.content == whole[first : last + 1]


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=-", "bytes=0-1,5-6", "lines=1-2", "bytes=a-b"])
async def test_a_range_that_cannot_be_read_is_answered_with_all(
    client: httpx.AsyncClient, call_id: str, asked: str
) -> None:
    answer = await client.get(f"/v1/calls/{call_id}/recording", headers={"Range": asked})
    assert (answer.status_code, len(answer.content)) == (200, 58 + len(SOUND))


@pytest.mark.parametrize("asked", ["bytes=99999-", "bytes=-0"])
async def test_a_range_behind_the_end_is_416_and_says_how_long_it_is(
    client: httpx.AsyncClient, call_id: str, asked: str
) -> None:
    answer = await client.get(f"/v1/calls/{call_id}/recording", headers={"Range": asked})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{58 + len(SOUND)}"


async def test_head_says_what_get_would(client: httpx.AsyncClient, call_id: str) -> None:
    path = f"/v1/calls/{call_id}/recording"
    got, head = await client.get(path), await client.head(path)
    assert head.content == b""
    for name in ("content-length", "content-type", "etag", "accept-ranges"):
        assert head.headers[name] == got.headers[name]


async def test_a_download_that_is_taken_up_again_begins_anew_when_the_recording_has_grown(
    client: httpx.AsyncClient, call_id: str, files: RecordingFiles
) -> None:
    path = f"/v1/calls/{call_id}/recording"
    first = await client.get(path)
    asked = {"Range": "bytes=100-", "If-Range": first.headers["etag"]}
    assert (await client.get(path, headers=asked)).status_code == 206
    unchanged = await client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    with contextlib.closing(files.open(call_id, 1)) as file:
        file.append(b"\x01" * 320)
    grown = await client.get(path, headers=asked)
    assert (grown.status_code, len(grown.content)) == (200, len(first.content) + 320)
    assert grown.headers["etag"] != first.headers["etag"]


async def test_parts_of_two_processes_are_one_file(
    client: httpx.AsyncClient, database: Database, call_id: str, files: RecordingFiles
) -> None:
    with contextlib.closing(files.open(call_id, 2)) as file:
        file.append(b"\x02" * 1600)
    later = AT + dt.timedelta(seconds=2)
    await journal.write(database, [RecordingEntry(call_id, 2, later, "this-machine")])
    sound = (await client.get(f"/v1/calls/{call_id}/recording")).content[58:]
    assert sound == SOUND + b"\xff" * (32_000 - len(SOUND)) + b"\x02" * 1600


async def test_of_a_call_whose_process_was_lost_the_recording_is_told_of_all_the_same(
    client: httpx.AsyncClient, database: Database, agent: Json, number: Json, files: RecordingFiles
) -> None:
    assert number["agent_id"] == agent["id"]
    wanted = {"agent_id": agent["id"], "to": "+14155550199"}
    call = (await client.post("/v1/calls", json=wanted)).json()
    with contextlib.closing(files.open(call["id"], 1)) as file:
        file.append(SOUND)
    await journal.write(database, [RecordingEntry(call["id"], 1, AT, "this-machine")])
    await calls.finish(database, call["id"], status="completed", reason=EndReason.PROCESS_LOST)
    events = (await client.get(f"/v1/calls/{call['id']}/events")).json()["items"]
    assert [event["type"] for event in events][-2:] == ["recording.ready", "call.ended"]
    assert len((await client.get(f"/v1/calls/{call['id']}/recording")).content) == 58 + len(SOUND)


async def test_files_of_another_machine_are_said_to_be_there(
    client: httpx.AsyncClient, database: Database, call_id: str
) -> None:
    await journal.write(database, [RecordingEntry(call_id, 2, AT, "other-machine", 1600)])
    answer = await client.get(f"/v1/calls/{call_id}/recording")
    assert answer.status_code == 409
    assert "'other-machine'" in answer.json()["detail"]


async def test_listening_is_in_the_audit_log(client: httpx.AsyncClient, call_id: str) -> None:
    """Once a listening: a player that asks for range after range says it once."""
    path = f"/v1/calls/{call_id}/recording"
    await client.head(path)
    await client.get(path, headers={"Range": "bytes=0-1000"})
    await client.get(path, headers={"Range": "bytes=1001-"})
    entries = (await client.get("/v1/audit-log", params={"object_id": call_id})).json()["items"]
    assert [entry["action"] for entry in entries] == ["recording.read"]


async def test_erasing_a_call_erases_its_recording(
    client: httpx.AsyncClient, database: Database, call_id: str, files: RecordingFiles
) -> None:
    await journal.write(database, [RecordingEntry(call_id, 2, AT, "other-machine", 1600)])
    assert (await client.delete(f"/v1/calls/{call_id}")).status_code == 204
    assert files.size(call_id, 1) is None
    answer = await client.get(f"/v1/calls/{call_id}/recording")
    assert answer.status_code == 404
    late = RecordingEntry(call_id, 3, AT, "this-machine", 2)
    with contextlib.closing(files.open(call_id, 3)) as file:
        file.append(b"\x01\x01")
    await journal.write(database, [late])
    await RecordingEraser(database, files, recording_days=0).round()
    assert files.size(call_id, 3) is None, "what comes late is erased as well"


async def test_each_machine_deletes_what_it_holds_of_an_erased_call(
    client: httpx.AsyncClient, database: Database, call_id: str, tmp_path: Path
) -> None:
    other = RecordingFiles(tmp_path / "other", machine="other-machine")
    with contextlib.closing(other.open(call_id, 2)) as file:
        file.append(b"\x01\x01")
    await journal.write(database, [RecordingEntry(call_id, 2, AT, "other-machine", 2)])
    await client.delete(f"/v1/calls/{call_id}")
    assert other.size(call_id, 2) == 2
    await RecordingEraser(database, other, recording_days=0).round()
    assert other.size(call_id, 2) is None


async def test_old_recordings_go_and_their_transcripts_stay(
    client: httpx.AsyncClient, database: Database, call_id: str, files: RecordingFiles
) -> None:
    eraser = RecordingEraser(database, files, recording_days=30)
    await run_sql(database.url, "update recording_parts set started_at = now() - interval '29 days'")
    await eraser.round()
    assert files.size(call_id, 1) is not None
    await run_sql(database.url, "update recording_parts set started_at = now() - interval '31 days'")
    await eraser.round()
    assert files.size(call_id, 1) is None
    async with database.session() as session:
        assert list(await parts_of(session, call_id)) == []
    assert (await client.get(f"/v1/calls/{call_id}")).json()["content_erased_at"] is None


async def test_a_call_that_was_not_recorded_says_so(
    client: httpx.AsyncClient, database: Database, call_id: str
) -> None:
    await run_sql(database.url, "delete from recording_parts")
    answer = await client.get(f"/v1/calls/{call_id}/recording")
    assert (answer.status_code, "not recorded" in answer.json()["detail"]) == (404, True)
