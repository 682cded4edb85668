"""Canned speech: `/v1/agents/{id}/lines` and `/v1/lines/{language}`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

from litestar import Controller, Request, Response, delete, get, put
from litestar.params import FromPath, PathParameter, QueryParameter
from msgspec import Meta, Struct
from sqlalchemy.ext.asyncio import AsyncSession

from api import examples
from api.audit import note
from api.auth import SECURITY, Caller, needs
from api.errors import bad_field, not_found
from api.given import TheDatabase
from api.openapi import audio_response, responses
from api.wav_body import WAV, WavBody, WavFile
from bridge.wire.pcmu import BYTES_PER_MS, payload_bytes
from database import agents, canned_lines
from database.canned_lines import ChosenLine, Owner, Source
from database.session import Database
from lines.built_in import NAMES, built_in
from lines.wav import BadWav, from_wav, to_wav

Name = Literal["filler", "hold", "apology", "closing"]

LineName = Annotated[
    Name,
    PathParameter(
        description="`filler`: said once when the caller is kept waiting; `hold`: said while the waiting goes"
        " on; `apology`: when the agent cannot go on; `closing`: when the call must end."
    ),
]
Language = Annotated[
    str,
    PathParameter(
        pattern="^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$",
        max_length=50,
        description="As in an agent's `language`. `pt` also serves `pt-BR`; `en`, agents without a language.",
    ),
]
Words = Annotated[
    str,
    QueryParameter(
        name="text", min_length=1, max_length=500, description="What is said in it, for transcripts."
    ),
]


class CannedLine(Struct, frozen=True, kw_only=True):
    """Speech for when the model cannot speak."""

    line: Name
    source: Annotated[
        Source, Meta(description="Whose it is: the agent's own, its language's, or Callbridge's English.")
    ]
    text: str
    duration_ms: int


class CannedLines(Struct, frozen=True, kw_only=True):
    items: list[CannedLine]


class AgentLineController(Controller):
    path = "/v1/agents/{agent_id:str}/lines"
    tags = ["Agents"]  # noqa: RUF012 (Litestar's own way to say it)
    security = SECURITY

    @get(
        operation_id="listAgentLines",
        summary="List what an agent says when the model cannot",
        guards=[needs("agents:read")],
        responses=responses(
            200, CannedLines, 404, example=examples.LINES, description="Every line, wherever it comes from."
        ),
    )
    async def list(self, agent_id: FromPath[str], database: TheDatabase) -> CannedLines:
        async with database.session() as session:
            agent = await agents.find_agent(session, agent_id)
            if agent is None:
                raise not_found("agent", agent_id)
            chosen = await canned_lines.chosen_lines(session, agent_id, agent.config.language)
        return _shown({name: chosen.get(name) or _built_in(name) for name in NAMES})

    @put(
        "/{line:str}",
        operation_id="putAgentLine",
        summary="Give an agent a line of its own",
        guards=[needs("agents:write")],
        dto=WavBody,
        return_dto=None,
        responses=responses(200, CannedLine, 404, body=True, example=examples.LINE),
    )
    async def put(
        self,
        *,
        request: Request[Any, Caller, Any],
        agent_id: FromPath[str],
        line: LineName,
        data: WavFile,
        text: Words,
        database: TheDatabase,
    ) -> CannedLine:
        """For calls that begin from now on, whatever the agent's version."""
        audio = await _sound(data)
        async with database.session.begin() as session:
            if await agents.find_agent(session, agent_id, lock=True) is None:
                raise not_found("agent", agent_id)
            await canned_lines.put_line(session, Owner(agent_id=agent_id), line, text=text, audio=audio)
            await note(session, request.auth, "line.changed", agent_id, [line])
        return _described(line, ChosenLine("", "agent", text, len(audio)))

    @get(
        "/{line:str}",
        operation_id="readAgentLine",
        summary="Hear an agent's own line",
        guards=[needs("agents:read")],
        responses=audio_response(404, description="Mu-law, as it is played."),
        media_type=WAV,
    )
    async def read(self, agent_id: FromPath[str], line: LineName, database: TheDatabase) -> Response[bytes]:
        return await _wav(database, Owner(agent_id=agent_id), line)

    @delete(
        "/{line:str}",
        operation_id="deleteAgentLine",
        summary="Take an agent's own line away",
        guards=[needs("agents:write")],
        responses=responses(204, None, 404),
    )
    async def remove(
        self,
        request: Request[Any, Caller, Any],
        agent_id: FromPath[str],
        line: LineName,
        database: TheDatabase,
    ) -> None:
        """Its language's, or the built-in one, is said from then on."""
        async with database.session.begin() as session:
            await _delete(session, Owner(agent_id=agent_id), line)
            await note(session, request.auth, "line.deleted", agent_id, [line])


class LanguageLineController(Controller):
    path = "/v1/lines/{language:str}"
    tags = ["Agents"]  # noqa: RUF012 (as above)
    security = SECURITY

    @get(
        operation_id="listLanguageLines",
        summary="List a language's lines",
        guards=[needs("agents:read")],
        responses=responses(200, CannedLines, description="Those that you have sent."),
    )
    async def list(self, language: Language, database: TheDatabase) -> CannedLines:
        async with database.session() as session:
            return _shown(await canned_lines.list_lines(session, _speakers(language)))

    @put(
        "/{line:str}",
        operation_id="putLanguageLine",
        summary="Give a language a line",
        guards=[needs("agents:write")],
        dto=WavBody,
        return_dto=None,
        responses=responses(200, CannedLine, body=True, example=examples.LINE | {"source": "language"}),
    )
    async def put(
        self,
        *,
        request: Request[Any, Caller, Any],
        language: Language,
        line: LineName,
        data: WavFile,
        text: Words,
        database: TheDatabase,
    ) -> CannedLine:
        """For all agents that speak it and have no line of their own."""
        audio, owner = await _sound(data), _speakers(language)
        async with database.session.begin() as session:
            await canned_lines.put_line(session, owner, line, text=text, audio=audio)
            await note(session, request.auth, "line.changed", owner.language, [line])
        return _described(line, ChosenLine("", "language", text, len(audio)))

    @get(
        "/{line:str}",
        operation_id="readLanguageLine",
        summary="Hear a language's line",
        guards=[needs("agents:read")],
        responses=audio_response(404, description="Mu-law, as it is played."),
        media_type=WAV,
    )
    async def read(self, language: Language, line: LineName, database: TheDatabase) -> Response[bytes]:
        return await _wav(database, _speakers(language), line)

    @delete(
        "/{line:str}",
        operation_id="deleteLanguageLine",
        summary="Take a language's line away",
        guards=[needs("agents:write")],
        responses=responses(204, None, 404),
    )
    async def remove(
        self, request: Request[Any, Caller, Any], language: Language, line: LineName, database: TheDatabase
    ) -> None:
        owner = _speakers(language)
        async with database.session.begin() as session:
            await _delete(session, owner, line)
            await note(session, request.auth, "line.deleted", owner.language, [line])


def _speakers(language: str) -> Owner:
    return Owner(language=language.lower())


async def _sound(wav: bytes) -> bytes:
    try:
        return await asyncio.to_thread(from_wav, wav)
    except BadWav as error:
        raise bad_field("body", str(error)) from error


async def _wav(database: Database, owner: Owner, line: Name) -> Response[bytes]:
    async with database.session() as session:
        found = await canned_lines.find_line(session, owner, line)
    if found is None:
        raise not_found("line of its own", line)
    return Response(to_wav(found.audio), media_type=WAV)


async def _delete(session: AsyncSession, owner: Owner, line: Name) -> None:
    if not await canned_lines.delete_line(session, owner, line):
        raise not_found("line of its own", line)


def _shown(lines: Mapping[str, ChosenLine]) -> CannedLines:
    return CannedLines(items=[_described(name, lines[name]) for name in NAMES if name in lines])


def _described(name: str, line: ChosenLine) -> CannedLine:
    return CannedLine(
        line=cast("Name", name),
        source=line.source,
        text=line.text,
        duration_ms=line.audio_bytes // BYTES_PER_MS,
    )


def _built_in(name: str) -> ChosenLine:
    line = getattr(built_in(), name)
    return ChosenLine("", "built_in", line.text, payload_bytes(line.payload))
