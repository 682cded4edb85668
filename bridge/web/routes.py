"""Everything that Twilio calls, and what the handlers of it ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, Router
from litestar.di import Provide
from litestar.types import ControllerRouterHandler
from sqlalchemy.exc import SQLAlchemyError

from bridge.web.after_stream import after_stream
from bridge.web.form import provide_form
from bridge.web.media import media
from bridge.web.outbound import outbound
from bridge.web.signature import Signatures
from bridge.web.status import call_status, number_status
from bridge.web.stream_token import StreamTokens
from bridge.web.voice import voice

MAX_FORM_BYTES = 256 * 1024


def try_again(_request: Request[Any, Any, Any], _error: Exception) -> Response[None]:
    """Postgres is away: Twilio repeats its webhook, then asks the fallback address."""
    return Response(None, status_code=503, headers={"Retry-After": "1"})


ROUTES: list[ControllerRouterHandler] = [
    Router(
        "/twilio",
        route_handlers=[voice, outbound, number_status, call_status, after_stream, media],
        dependencies={"form": provide_form},
        exception_handlers={SQLAlchemyError: try_again, OSError: try_again, TimeoutError: try_again},
        include_in_schema=False,
        request_max_body_size=MAX_FORM_BYTES,
    )
]


def dependencies(
    *, public_url: str, auth_tokens: Sequence[str], secret_keys: Sequence[str]
) -> dict[str, Provide]:
    """What the handlers ask for beside `database`, `addresses`, `notifications` and `live_calls`."""
    signatures = Signatures(public_url, auth_tokens)
    stream_tokens = StreamTokens(secret_keys)
    return {
        "signatures": Provide(lambda: signatures, sync_to_thread=False),
        "stream_tokens": Provide(lambda: stream_tokens, sync_to_thread=False),
    }
