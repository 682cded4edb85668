"""`Idempotency-Key`: the same request again gets the same answer, and is not carried out twice."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import msgspec
from litestar import Request, Response
from litestar.params import HeaderParameter
from msgspec import Struct

from api.auth import Caller
from api.errors import Problem, ProblemDetails
from database import idempotency
from database.models import IdempotencyKey
from database.session import Database

Body = TypeVar("Body", bound=Struct)

IdempotencyKeyHeader = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="Any text of your own, a new one for each new wish. Kept for 24 hours.",
    ),
]


class Attempt:
    """The first request with its key, while it runs."""

    def __init__(self) -> None:
        self.done_something = False
        """Set before anything is done that must not be done twice."""


Work = Callable[[Attempt], Awaitable[Body]]


async def once(
    request: Request[Any, Caller, Any],
    database: Database,
    key: str | None,
    answer_type: type[Body],
    work: Work[Body],
) -> Response[Body]:
    """Do the work and answer 201, or repeat the answer of the first request with this key."""
    if key is None:
        return Response(await work(Attempt()), status_code=201)
    key_id = request.auth.key_id
    asked = hashlib.sha256(
        f"{request.method} {request.url.path}\n".encode() + await request.body()
    ).hexdigest()
    first = await idempotency.begin(database, api_key_id=key_id, key=key, request_sha256=asked)
    if first is not None:
        return _again(first, asked, answer_type)
    attempt = Attempt()
    try:
        body = await work(attempt)
    except Problem as problem:
        answer = msgspec.json.encode(problem.details).decode()
        await idempotency.keep_answer(
            database, api_key_id=key_id, key=key, status_code=problem.details.status, body=answer
        )
        raise
    except Exception:
        if not attempt.done_something:
            await idempotency.forget(database, api_key_id=key_id, key=key)
        raise
    answer = msgspec.json.encode(body).decode()
    await idempotency.keep_answer(database, api_key_id=key_id, key=key, status_code=201, body=answer)
    return Response(body, status_code=201)


def _again(first: IdempotencyKey, asked: str, answer_type: type[Body]) -> Response[Body]:
    if first.request_sha256 != asked:
        raise Problem(422, "This Idempotency-Key was used for another request. Take a new one for each.")
    if first.status_code is None or first.body is None:
        raise Problem(
            409,
            "The first request with this Idempotency-Key is still running, or was cut off. See what it did"
            " before you try again with a new key.",
            headers={"Retry-After": "2"},
        )
    if first.status_code >= 400:
        kept = msgspec.json.decode(first.body, type=ProblemDetails)
        raise Problem(kept.status, kept.detail, code=kept.code, call_id=kept.call_id, errors=kept.errors)
    body = msgspec.json.decode(first.body, type=answer_type)
    return Response(body, status_code=first.status_code, headers={"Idempotency-Replayed": "true"})
