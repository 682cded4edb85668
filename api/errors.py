"""Every error as RFC 9457 `application/problem+json`."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any, cast

import asyncpg
import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from msgspec import Meta, Struct
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from telephony.twilio import TwilioRefused, TwilioUnreachable

PROBLEM_JSON = "application/problem+json"
RETRY_SECONDS = 2
UNSTORABLE_TEXT = frozenset({"22021", "22P05"})
"""Postgres keeps no NUL characters in text: https://www.postgresql.org/docs/current/errcodes-appendix.html"""
DATABASE_AWAY = ("08", "53", "57P")
"""Connection lost, out of resources, shutting down."""

log = structlog.get_logger(__name__)


class FieldError(Struct, frozen=True):
    field: Annotated[str, Meta(description="Where in the request: `tools[0].type`, `If-Match`, …")]
    message: Annotated[str, Meta(description="What is wrong with it.")]


class ProblemDetails(Struct, frozen=True, omit_defaults=True):
    """What went wrong and what to do about it."""

    type: str
    title: str
    status: int
    detail: Annotated[str, Meta(description="For people: what went wrong and what to do about it.")]
    code: Annotated[
        int | str | None, Meta(description="Twilio's or OpenAI's own, where the refusal is theirs.")
    ] = None
    call_id: Annotated[str | None, Meta(description="Of the call that was refused; its record is kept.")] = (
        None
    )
    errors: list[FieldError] = msgspec.field(default_factory=list[FieldError])


class Problem(Exception):
    """An answer that is not the one asked for."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        code: int | str | None = None,
        call_id: str | None = None,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.details = ProblemDetails(
            type="about:blank",
            title=HTTPStatus(status).phrase,
            status=status,
            detail=detail,
            code=code,
            call_id=call_id,
            errors=list(errors),
        )
        self.headers = dict(headers or {})


def bad_field(field: str, message: str) -> Problem:
    return Problem(422, f"{field}: {message}", errors=[FieldError(field, message)])


def not_found(noun: str, id_: str) -> Problem:
    return Problem(404, f"There is no {noun} {id_!r}.")


def twilio_problem(refused: TwilioRefused, call_id: str | None = None) -> Problem:
    return Problem(422, refused.message, code=refused.code, call_id=call_id)


def _answer(problem: Problem) -> Response[ProblemDetails]:
    return Response(
        problem.details,
        status_code=problem.details.status,
        media_type=PROBLEM_JSON,
        headers=problem.headers,
    )


def _on_problem(_: Request[Any, Any, Any], problem: Problem) -> Response[ProblemDetails]:
    return _answer(problem)


def _on_invalid(_: Request[Any, Any, Any], error: ValidationException) -> Response[ProblemDetails]:
    """Parameters of address, query and headers; bodies are read by `api.body`."""
    wrong = cast("list[dict[str, str]]", error.extra or [])
    errors = [FieldError(one.get("key", ""), one.get("message", "")) for one in wrong]
    if [one.field for one in errors] == ["data"]:
        return _answer(Problem(400, "Send a body, as /schema describes it."))
    detail = "; ".join(f"{one.field}: {one.message}" for one in errors) or error.detail
    return _answer(Problem(422, detail, errors=errors))


def _on_http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[ProblemDetails]:
    if error.status_code >= 500:
        return _on_bug(request, error)
    detail = error.detail
    if error.status_code == 404:
        detail = f"Nothing is at {request.url.path}. /schema lists all addresses."
    elif error.status_code == 405:
        detail = f"{request.method} is not possible here."
    return _answer(Problem(error.status_code, detail, headers=error.headers))


def _on_twilio_refused(_: Request[Any, Any, Any], error: TwilioRefused) -> Response[ProblemDetails]:
    return _answer(twilio_problem(error))


def _on_twilio_unreachable(_: Request[Any, Any, Any], error: TwilioUnreachable) -> Response[ProblemDetails]:
    detail = (
        f"Twilio could not be asked ({error}). Whether it did what was wanted is not known: look, then retry."
    )
    return _answer(Problem(502, detail))


def _on_database_error(request: Request[Any, Any, Any], error: DBAPIError) -> Response[ProblemDetails]:
    state = str(getattr(error.orig, "sqlstate", None) or "")
    if state in UNSTORABLE_TEXT:
        return _answer(Problem(422, "Text with a NUL character (\\u0000) cannot be stored."))
    if (
        isinstance(error, OperationalError | InterfaceError)
        or error.connection_invalidated
        or state.startswith(DATABASE_AWAY)
    ):
        return _on_database_away(request, error)
    return _on_bug(request, error)


def _on_database_away(_: Request[Any, Any, Any], __: Exception) -> Response[ProblemDetails]:
    return _answer(
        Problem(
            503,
            "The database cannot be reached at the moment. Calls go on; try again shortly.",
            headers={"Retry-After": str(RETRY_SECONDS)},
        )
    )


def _on_bug(request: Request[Any, Any, Any], error: Exception) -> Response[ProblemDetails]:
    # The message may hold what the request held, so only where it happened is logged.
    log.error(
        "request_failed",
        route=str(cast("dict[str, Any]", request.scope).get("path_template")),
        error=type(error).__name__,
        where="".join(traceback.format_tb(error.__traceback__)[-3:]),
    )
    return _answer(Problem(500, "A mistake of this server, not of the request. Its log says where."))


EXCEPTION_HANDLERS: dict[int | type[Exception], Callable[..., Response[Any]]] = {
    Problem: _on_problem,
    ValidationException: _on_invalid,
    HTTPException: _on_http_error,
    TwilioRefused: _on_twilio_refused,
    TwilioUnreachable: _on_twilio_unreachable,
    DBAPIError: _on_database_error,
    PoolExhausted: _on_database_away,
    asyncpg.PostgresError: _on_database_away,
    asyncpg.InterfaceError: _on_database_away,
    OSError: _on_database_away,  # also TimeoutError: what asyncpg raises when it cannot connect
    Exception: _on_bug,
}
