"""Trying a tool by hand: `/v1/agents/{id}/tools/{name}/test`; and the secret that signs their requests."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import uuid4

import msgspec
from litestar import Controller, Request, get, post
from litestar.params import Body, FromPath
from msgspec import Meta, Struct

from api.audit import note
from api.auth import SECURITY, Caller, needs
from api.body import JsonBody
from api.errors import Problem, not_found
from api.given import TheDatabase, TheSecretBox, TheToolRequests
from api.openapi import example, responses
from bridge.call.tools import FunctionTool
from database import agents
from database.secret_box import UnreadableSecret
from database.tool_secrets import opened
from outgoing.tool_requests import ToolCaller


class ToolTest(Struct, kw_only=True, forbid_unknown_fields=True):
    arguments: Annotated[dict[str, Any], Meta(description="As the model would give them.")] = msgspec.field(
        default_factory=dict[str, Any]
    )


class ToolTestResult(Struct, frozen=True, kw_only=True):
    ok: bool
    status: Annotated[int | None, Meta(description="Of HTTP; `null`: no answer, or no request.")]
    output: Annotated[str, Meta(description="What the model would be given.")]
    duration_ms: int


class SigningSecret(Struct, frozen=True, kw_only=True):
    secret: Annotated[
        str, Meta(description="For checking `webhook-signature`: https://www.standardwebhooks.com")
    ]


class ToolController(Controller):
    path = "/v1"
    tags = ["Agents"]  # noqa: RUF012 (Litestar's own way to say it)
    security = SECURITY

    @post(
        "/agents/{agent_id:str}/tools/{name:str}/test",
        operation_id="testTool",
        summary="Run a tool by hand",
        guards=[needs("agents:write")],
        dto=JsonBody[ToolTest],
        return_dto=None,
        status_code=200,
        responses=responses(
            200, ToolTestResult, 404, 409, body=True, description="What came of it, also where it failed."
        ),
    )
    async def test(
        self,
        *,
        request: Request[Any, Caller, Any],
        agent_id: FromPath[str],
        name: FromPath[str],
        data: Annotated[ToolTest, Body(examples=example({"arguments": {"order": "7"}}))],
        database: TheDatabase,
        secret_box: TheSecretBox,
        tool_requests: TheToolRequests,
    ) -> ToolTestResult:
        """Sends the request as on a call, with `call` being `null`. It does what the tool does."""
        async with database.session() as session:
            agent = await agents.find_agent(session, agent_id)
        if agent is None:
            raise not_found("agent", agent_id)
        functions = (tool for tool in agent.config.tools if isinstance(tool, FunctionTool))
        tool = next((tool for tool in functions if tool.name == name), None)
        if tool is None:
            raise not_found("function tool", name)
        try:
            headers = opened(tool, secret_box)
        except UnreadableSecret as error:
            raise Problem(409, f"A header of this tool is {error}: set it anew.") from error
        async with database.session.begin() as session:
            await note(session, request.auth, "tool.tested", agent_id, [name])
        caller = ToolCaller(agent_id=agent_id, call=None, tool_call_id=f"test_{uuid4().hex}")
        arguments = msgspec.json.encode(data.arguments).decode()
        outcome = await tool_requests.ask(tool, headers, caller, arguments)
        return ToolTestResult(**msgspec.structs.asdict(outcome))

    @get(
        "/tool-signing-secret",
        operation_id="readToolSigningSecret",
        summary="Read the secret that signs tools' requests",
        guards=[needs("admin")],
        responses=responses(200, SigningSecret, description="One for all tools."),
    )
    async def signing_secret(self, tool_requests: TheToolRequests) -> SigningSecret:
        """Derived from `SECRET_KEY`, so it changes with that; while keys rotate, both signatures are sent."""
        return SigningSecret(secret=tool_requests.signing_secret)
