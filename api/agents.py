"""Agents: `/v1/agents`."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Any, get_type_hints

import msgspec
from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.params import Body, FromPath, HeaderParameter, PathParameter
from msgspec import UNSET, Meta, Struct, UnsetType
from sqlalchemy.ext.asyncio import AsyncSession

from api import examples
from api.audit import differing, note
from api.auth import SECURITY, Caller, needs
from api.body import JsonBody, invalid
from api.errors import Problem, bad_field, not_found
from api.given import TheAddressGuard, TheDatabase, TheSecretBox
from api.openapi import example, responses
from api.pagination import Cursor, Limit, NextCursor, decode_cursor, encode_cursor
from api.spending import check_spending
from api.tool_rules import checked
from api.variables import missing_variables
from bridge.call.agent import AgentConfig
from bridge.call.tools import Tool
from database import agents
from database.agents import StoredAgent
from database.pages import After
from database.secret_box import SecretBox
from database.tool_secrets import shown
from outgoing.address_guard import AddressGuard

MAX_VERSION = 2**31 - 1


_CONFIG = get_type_hints(AgentConfig, include_extras=True)

_Shown = msgspec.defstruct(
    "_Shown",
    [
        ("id", str),
        (
            "version",
            Annotated[int, Meta(description="Rises with each change; `If-Match` of a change names it.")],
        ),
        *_CONFIG.items(),
        ("created_at", dt.datetime),
        ("updated_at", dt.datetime),
    ],
    kw_only=True,
)
_Change = msgspec.defstruct(
    "_Change",
    [(name, type_ | UnsetType, UNSET) for name, type_ in _CONFIG.items()],
    kw_only=True,
    forbid_unknown_fields=True,
)


class Agent(_Shown, kw_only=True):
    """An agent: its id and version, and every field of `AgentConfig`."""


class AgentChange(_Change, kw_only=True, forbid_unknown_fields=True):
    """The fields of an agent that are to change; the others stay."""


class VersionsBefore(Struct, frozen=True, array_like=True):
    version: int


IfMatch = Annotated[
    str | None,
    HeaderParameter(name="If-Match", description="The version that you read, such as `3`. Required."),
]
VersionNumber = Annotated[int, PathParameter(ge=1, le=MAX_VERSION)]


class AgentPage(Struct, frozen=True):
    """Some agents, newest first."""

    items: list[Agent]
    next_cursor: NextCursor


class AgentController(Controller):
    path = "/v1/agents"
    tags = ["Agents"]  # noqa: RUF012 (Litestar's own way to say it)
    security = SECURITY

    @post(
        operation_id="createAgent",
        summary="Make an agent",
        guards=[needs("agents:write")],
        dto=JsonBody[AgentConfig],
        return_dto=None,
        responses=responses(201, Agent, body=True, example=examples.AGENT, description="The new agent."),
    )
    async def create(
        self,
        request: Request[Any, Caller, Any],
        data: Annotated[AgentConfig, Body(examples=example(examples.NEW_AGENT))],
        database: TheDatabase,
        address_guard: TheAddressGuard,
        secret_box: TheSecretBox,
    ) -> Response[Agent]:
        """`name` and `prompt` are required; prompt and greeting may hold `{{name}}` or `{{name|default}}`."""
        _check_voicemail(data)
        config = await _checked(data, [], address_guard, secret_box)
        async with database.session.begin() as session:
            await check_spending(session, config)
            agent = await agents.create_agent(session, config)
            await note(session, request.auth, "agent.created", agent.id)
        return _answer(agent, 201)

    @get(
        operation_id="listAgents",
        summary="List agents",
        guards=[needs("agents:read")],
        responses=responses(200, AgentPage, description="Newest first."),
    )
    async def list(self, database: TheDatabase, limit: Limit = 50, cursor: Cursor = None) -> AgentPage:
        async with database.session() as session:
            page = await agents.list_agents(session, limit=limit, after=decode_cursor(cursor, After))
        return AgentPage([_shown(agent) for agent in page.items], encode_cursor(page.next))

    @get(
        "/{agent_id:str}",
        operation_id="readAgent",
        summary="Read an agent",
        guards=[needs("agents:read")],
        responses=responses(200, Agent, 404, example=examples.AGENT, description="Its newest version."),
    )
    async def read(self, agent_id: FromPath[str], database: TheDatabase) -> Response[Agent]:
        async with database.session() as session:
            return _answer(await _found(session, agent_id))

    @patch(
        "/{agent_id:str}",
        operation_id="changeAgent",
        summary="Change an agent",
        guards=[needs("agents:write")],
        dto=JsonBody[AgentChange],
        return_dto=None,
        responses=responses(
            200, Agent, 404, 412, 428, body=True, example=examples.AGENT, description="The new version."
        ),
    )
    async def change(
        self,
        *,
        request: Request[Any, Caller, Any],
        agent_id: FromPath[str],
        data: Annotated[AgentChange, Body(examples=example({"voice": "marin", "speed": 1.1}))],
        database: TheDatabase,
        address_guard: TheAddressGuard,
        secret_box: TheSecretBox,
        if_match: IfMatch = None,
    ) -> Response[Agent]:
        """Makes a new version; running calls keep theirs. `If-Match` must name the version that you read."""
        async with database.session.begin() as session:
            agent = await _found(session, agent_id, lock=True)
            _match(if_match, agent.version)
            try:
                merged = msgspec.to_builtins(agent.config) | msgspec.to_builtins(data)
                config = msgspec.convert(merged, AgentConfig)
            except msgspec.ValidationError as error:
                raise invalid(error) from error
            _check_voicemail(config)
            if "tools" in msgspec.to_builtins(data):
                before = agent.config.tools
                config = await _checked(config, before, address_guard, secret_box)
            if config == agent.config:
                return _answer(agent)
            changed = await _new_version(session, agent_id, config)
            await note(
                session, request.auth, "agent.changed", agent_id, differing(agent.config, changed.config)
            )
        return _answer(changed)

    @delete(
        "/{agent_id:str}",
        operation_id="deleteAgent",
        summary="Delete an agent",
        guards=[needs("agents:write")],
        responses=responses(204, None, 404, 409),
    )
    async def remove(
        self, request: Request[Any, Caller, Any], agent_id: FromPath[str], database: TheDatabase
    ) -> None:
        """Not while phone numbers are answered by it. What its calls ran on is kept with them."""
        async with database.session.begin() as session:
            try:
                if not await agents.delete_agent(session, agent_id):
                    raise not_found("agent", agent_id)
                await note(session, request.auth, "agent.deleted", agent_id)
            except agents.AgentInUse as error:
                raise Problem(
                    409,
                    "Phone numbers are answered by this agent: give them another one, or delete them, first.",
                ) from error

    @get(
        "/{agent_id:str}/versions",
        operation_id="listAgentVersions",
        summary="List an agent's versions",
        guards=[needs("agents:read")],
        responses=responses(200, AgentPage, 404, description="Newest first."),
    )
    async def versions(
        self,
        agent_id: FromPath[str],
        database: TheDatabase,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> AgentPage:
        place = decode_cursor(cursor, VersionsBefore)
        async with database.session() as session:
            await _found(session, agent_id)
            before = min(place.version, MAX_VERSION) if place else None
            found, more = await agents.list_versions(session, agent_id, limit=limit, before=before)
        return AgentPage(
            [_shown(agent) for agent in found], encode_cursor(None if more is None else VersionsBefore(more))
        )

    @post(
        "/{agent_id:str}/versions/{version:int}/restore",
        operation_id="restoreAgentVersion",
        summary="Go back to an earlier version",
        guards=[needs("agents:write")],
        status_code=200,
        responses=responses(
            200,
            Agent,
            404,
            example=examples.AGENT,
            description="A new version with the settings of the old one.",
        ),
    )
    async def restore(
        self,
        request: Request[Any, Caller, Any],
        agent_id: FromPath[str],
        version: VersionNumber,
        database: TheDatabase,
    ) -> Response[Agent]:
        async with database.session.begin() as session:
            before = await _found(session, agent_id, lock=True)
            config = await agents.find_version(session, agent_id, version)
            if config is None:
                raise not_found("version", str(version))
            restored = await _new_version(session, agent_id, config)
            await note(
                session, request.auth, "agent.restored", agent_id, differing(before.config, restored.config)
            )
        return _answer(restored)


async def _checked(
    config: AgentConfig, before: Sequence[Tool], guard: AddressGuard, secret_box: SecretBox
) -> AgentConfig:
    # In a thread: a long schema takes a tenth of a second to check, and calls are heard on this loop.
    return await asyncio.to_thread(checked, config, before=before, guard=guard, secret_box=secret_box)


async def _found(session: AsyncSession, agent_id: str, *, lock: bool = False) -> StoredAgent:
    agent = await agents.find_agent(session, agent_id, lock=lock)
    if agent is None:
        raise not_found("agent", agent_id)
    return agent


async def _new_version(session: AsyncSession, agent_id: str, config: AgentConfig) -> StoredAgent:
    await check_spending(session, config)
    missing = missing_variables(config)
    if missing and await agents.has_numbers(session, agent_id):
        raise bad_field(
            "prompt",
            f"has variables without a default ({', '.join(sorted(missing))}), and phone numbers are answered"
            " by this agent: nobody could give them a value when the phone rings. Write {{name|default}}",
        )
    return await agents.change_agent(session, agent_id, config)


def _check_voicemail(config: AgentConfig) -> None:
    voicemail = config.voicemail
    if voicemail is not None and voicemail.on_machine == "leave_message" and voicemail.message is None:
        raise bad_field("voicemail.message", "is what `leave_message` leaves: give the words")


def _match(if_match: str | None, version: int) -> None:
    if if_match is None:
        raise Problem(428, "Say which version you read, so that nobody's change is lost: 'If-Match: 3'.")
    wanted = if_match.strip().removeprefix("W/").strip('"')
    if wanted not in ("*", str(version)):
        raise Problem(412, f"The agent is at version {version}, not {wanted}: read it again, then change it.")


def _shown(agent: StoredAgent) -> Agent:
    identity = {"id": agent.id, "version": agent.version}
    settings = {name: getattr(agent.config, name) for name in AgentConfig.__struct_fields__}
    settings["tools"] = shown(agent.config.tools)
    times = {"created_at": agent.created_at, "updated_at": agent.updated_at}
    return Agent(**identity, **settings, **times)


def _answer(agent: StoredAgent, status: int = 200) -> Response[Agent]:
    return Response(_shown(agent), status_code=status, headers={"ETag": f'"{agent.version}"'})
