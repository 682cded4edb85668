"""What a call sounded like: `/v1/calls/{id}/recording`."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Any

from litestar import Controller, HttpMethod, Request, Response, route
from litestar.params import FromPath
from litestar.response import Stream
from msgspec import Struct

from api.audit import note
from api.auth import SECURITY, Caller, needs
from api.errors import Problem, not_found
from api.given import TheDatabase, TheRecordingFiles
from api.openapi import recording_responses
from database import recordings
from database.call_history import find_call
from database.models import RecordingPart
from database.session import Database
from recordings.files import RecordingFiles
from recordings.wav import Part, Wav

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Recorded(Struct, frozen=True):
    wav: Wav
    etag: str
    """Changes as long as the recording grows."""


class RecordingController(Controller):
    path = "/v1/calls"
    tags = ["Calls"]  # noqa: RUF012 (Litestar's own way to say it)
    security = SECURITY

    @route(
        "/{call_id:str}/recording",
        http_method=[HttpMethod.GET, HttpMethod.HEAD],
        operation_id=lambda _, method, __: "readRecording" if method == "GET" else "checkRecording",
        summary="Hear a call",
        guards=[needs("calls:read")],
        media_type="audio/wav",
        responses=recording_responses(),
    )
    async def read(
        self,
        request: Request[Any, Caller, Any],
        call_id: FromPath[str],
        database: TheDatabase,
        recording_files: TheRecordingFiles,
    ) -> Response[bytes] | Stream:
        """A WAV file, mu-law, 8 kHz: left the caller, right the agent as far as it was heard.

        `Range` and `If-Range` are honoured. While the call is up you get what there is so far. 409 names
        the machine that has the files, where it is another one.
        """
        parts = await _parts(database, call_id)
        recorded = await asyncio.to_thread(_opened, recording_files, parts)
        headers = {
            "Accept-Ranges": "bytes",
            "Content-Disposition": f'inline; filename="{call_id}.wav"',
            "ETag": recorded.etag,
        }
        if recorded.etag in request.headers.get("if-none-match", ""):
            return Response(b"", status_code=304, headers=headers, media_type="audio/wav")
        wanted = _wanted(request, recorded)
        start, end = wanted or (0, recorded.wav.size)
        headers["Content-Length"] = str(end - start)
        if wanted is not None:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{recorded.wav.size}"
        status = 200 if wanted is None else 206
        if request.method == "HEAD":
            return Response(b"", status_code=status, headers=headers, media_type="audio/wav")
        if start == 0:
            async with database.session.begin() as session:
                await note(session, request.auth, "recording.read", call_id)
        return Stream(
            _off_the_loop(recorded.wav.read(start, end)),
            status_code=status,
            headers=headers,
            media_type="audio/wav",
        )


async def _parts(database: Database, call_id: str) -> Sequence[RecordingPart]:
    async with database.session() as session:
        if await find_call(session, call_id) is None:
            raise not_found("call", call_id)
        parts = await recordings.parts_of(session, call_id)
    if not parts:
        raise Problem(404, f"There is no recording of {call_id!r}: it was not recorded, or it was erased.")
    return parts


def _opened(files: RecordingFiles, rows: Sequence[RecordingPart]) -> Recorded:
    began = rows[0].started_at
    parts: list[Part] = []
    for row in rows:
        size = files.size(row.call_id, row.part)
        if size is None and row.machine != files.machine:
            raise Problem(
                409,
                f"This recording, or a part of it, is on the machine {row.machine!r} and not on this one: ask"
                " there, or let the machines share DATA_DIR/recordings.",
            )
        parts.append(Part(row.call_id, row.part, (row.started_at - began).total_seconds(), size or 0))
    wav = Wav(files, parts)
    told = repr([(part.number, part.begins_s, part.size) for part in parts])
    return Recorded(wav, f'"{hashlib.sha256(told.encode()).hexdigest()[:20]}"')


def _wanted(request: Request[Any, Any, Any], recorded: Recorded) -> tuple[int, int] | None:
    """From where and up to where; None: all of it. Several ranges at once may be answered with all, says RFC
    9110, and so may one that cannot be read."""
    found = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    if found is None or request.headers.get("if-range", recorded.etag) != recorded.etag:
        return None
    size = recorded.wav.size
    first, last = found[1][:18], found[2][:18]
    if first:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    elif last:
        start, end = max(0, size - int(last)), size
    else:
        return None
    if start >= end:
        raise Problem(
            416,
            f"The recording has {size} bytes, and none of them is in that range.",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return start, end


async def _off_the_loop(pieces: Iterator[bytes]) -> AsyncGenerator[bytes]:
    while piece := await asyncio.to_thread(next, pieces, b""):
        yield piece
