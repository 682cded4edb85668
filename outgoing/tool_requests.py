"""A function tool, done: its webhook is asked, and what came of that is put into words for the model."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from msgspec import Struct

from bridge.call.tools import FunctionTool
from outgoing.address_guard import AddressGuard, AddressRefused
from outgoing.guarded_http import guarded_client
from outgoing.signature import signed_headers
from outgoing.tool_arguments import ArgumentsRefused, read_arguments

READ_BYTES = 16 * 1024
SHOWN_OF_A_REFUSAL = 1000
"""Characters of a 4xx answer that the model sees: it may say what to do better."""
RETRY_SECONDS = (0.2, 0.6)
CUT = "\n[The rest was too long and is left out.]"


class ToolOutcome(Struct, frozen=True):
    ok: bool
    status: int | None
    """Of HTTP; None: there was no answer, or no request."""
    output: str
    """What the model is given."""
    duration_ms: int


class ToolCaller(Struct, frozen=True, kw_only=True):
    """On whose behalf a tool is called."""

    agent_id: str
    call: dict[str, Any] | None
    """`id`, `direction`, `from` and `to`; None: an operator tries the tool."""
    tool_call_id: str


class _Answer(Struct, frozen=True):
    status: int
    text: str


class ToolRequests:
    """`signing_secrets`: the first is the operator's to read; requests are signed with each."""

    def __init__(self, guard: AddressGuard, *, signing_secrets: Sequence[str], user_agent: str) -> None:
        self._client = guarded_client(guard, timeout_seconds=60.0, user_agent=user_agent)
        self._secrets = signing_secrets

    @property
    def signing_secret(self) -> str:
        return self._secrets[0]

    async def close(self) -> None:
        await self._client.aclose()

    async def ask(
        self, tool: FunctionTool, headers: Mapping[str, str], caller: ToolCaller, arguments: str
    ) -> ToolOutcome:
        """`headers`: the tool's own, decrypted. Returns within the tool's `timeout_seconds`; raises nothing
        that a model or a server can cause."""
        began = time.monotonic()
        status, ok = None, False
        try:
            given = read_arguments(arguments, tool.parameters)
            async with asyncio.timeout(tool.webhook.timeout_seconds):
                answer = await self._answered(tool, headers, caller, given)
            status, ok = answer.status, 200 <= answer.status < 300
            output = _in_words(answer)
        except ArgumentsRefused as refused:
            output = (
                f"The tool was not called, for its arguments are wrong: {refused}. Mend them and call again."
            )
        except TimeoutError:
            output = unsure(f"there was no answer within {tool.webhook.timeout_seconds:g} s")
        except AddressRefused as refused:
            output = failed(str(refused))
        except (httpx.ConnectError, httpx.ConnectTimeout):
            output = failed("its server could not be reached")
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            output = unsure(f"the connection to its server broke ({type(error).__name__})")
        return ToolOutcome(ok, status, output, round((time.monotonic() - began) * 1000))

    async def _answered(
        self, tool: FunctionTool, headers: Mapping[str, str], caller: ToolCaller, arguments: dict[str, Any]
    ) -> _Answer:
        safe = tool.webhook.safe_to_retry or tool.webhook.method == "GET"
        for wait_seconds in RETRY_SECONDS if safe else ():
            try:
                answer = await self._ask_once(tool, headers, caller, arguments)
                if answer.status < 500:
                    return answer
            except (httpx.ConnectError, httpx.ConnectTimeout):
                pass  # asked again below
            await asyncio.sleep(wait_seconds)
        return await self._ask_once(tool, headers, caller, arguments)

    async def _ask_once(
        self, tool: FunctionTool, headers: Mapping[str, str], caller: ToolCaller, arguments: dict[str, Any]
    ) -> _Answer:
        request = self._request(tool, headers, caller, arguments)
        response = await self._client.send(request, stream=True)
        try:
            return _Answer(response.status_code, await _read(response))
        finally:
            await response.aclose()

    def _request(
        self, tool: FunctionTool, headers: Mapping[str, str], caller: ToolCaller, arguments: dict[str, Any]
    ) -> httpx.Request:
        url, body = httpx.URL(tool.webhook.url), b""
        if tool.webhook.method == "GET":
            url = url.copy_merge_params(
                {_as_query(name): _as_query(value) for name, value in arguments.items()}
            )
        else:
            content = {
                "call": caller.call,
                "agent_id": caller.agent_id,
                "tool": tool.name,
                "tool_call_id": caller.tool_call_id,
                "arguments": arguments,
            }
            body = json.dumps(content).encode()
        once = _idempotency_key(caller)
        ours = {"Accept-Encoding": "identity", "Idempotency-Key": once, **self._signed(once, body)}
        if body:
            ours["Content-Type"] = "application/json"
        return self._client.build_request(
            tool.webhook.method, url, headers={**headers, **ours}, content=body or None
        )

    def _signed(self, message_id: str, body: bytes) -> dict[str, str]:
        """With every secret, so that receivers need not change theirs in the moment that SECRET_KEY does."""
        now = int(time.time())
        each = [signed_headers(secret, message_id, now, body) for secret in self._secrets]
        return each[0] | {"webhook-signature": " ".join(one["webhook-signature"] for one in each)}


def failed(why: str) -> str:
    """What the model is told, so that it tells the caller the truth."""
    return f"The tool failed: {why}. Nothing was done. Tell the caller so."


def unsure(why: str) -> str:
    """The same where the server may have done its work all the same."""
    return f"The tool failed: {why}. Whether anything was done is not known. Tell the caller so."


def _in_words(answer: _Answer) -> str:
    if 200 <= answer.status < 300:
        return answer.text or "The tool has done its work and said nothing."
    if 400 <= answer.status < 500 and answer.text:
        return f"The tool refused ({answer.status}): {answer.text[:SHOWN_OF_A_REFUSAL]}"
    return unsure(f"its server answered {answer.status}")


async def _read(response: httpx.Response) -> str:
    if response.headers.get("content-encoding", "identity") != "identity":
        return "[The answer is compressed, which it must not be, and cannot be read.]"
    got = b""
    async for piece in response.aiter_raw():
        got += piece
        if len(got) > READ_BYTES:
            return got[:READ_BYTES].decode(errors="ignore") + CUT
    return got.decode(errors="replace").strip()


def _as_query(value: Any) -> str:
    return value.encode(errors="replace").decode() if isinstance(value, str) else json.dumps(value)


def _idempotency_key(caller: ToolCaller) -> str:
    """One a tool call, the same for each try. The id is the model's, so only harmless characters stay."""
    whose = caller.agent_id if caller.call is None else str(caller.call["id"])
    return re.sub(r"[^A-Za-z0-9_-]", "", f"{whose}_{caller.tool_call_id}")[:200]
