"""The web application of one process: operators' API, Twilio's door, health, and the pages of the schema."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from litestar import Litestar, MediaType, Request, get
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import NotFoundException
from litestar.openapi.plugins import OpenAPIRenderPlugin, SwaggerRenderPlugin
from litestar.params import FromPath
from litestar.response import File
from swagger_ui_bundle import swagger_ui_path

from api.auth import Authenticator
from api.client_address import ClientAddress
from api.errors import EXCEPTION_HANDLERS
from api.openapi import PLUGINS, openapi_config
from api.routes import ROUTES as API_ROUTES
from bridge.web.routes import ROUTES as TWILIO_ROUTES
from server.draining import DrainController
from server.health import ROUTES as HEALTH_ROUTES
from server.parts import Parts
from server.response_headers import add_headers
from server.version import __version__

MAX_BODY_BYTES = 1024 * 1024
ASSETS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui-standalone-preset.js": "text/javascript",
}
"""Served from here rather than from a content network: the pages work anywhere and tell nobody."""


def create_app(parts: Parts) -> Litestar:
    """Handlers take what they need of `parts` as arguments of these names."""

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncGenerator[None]:
        await parts.start()
        try:
            yield
        finally:
            await parts.close()

    return Litestar(
        route_handlers=[*API_ROUTES, *TWILIO_ROUTES, *HEALTH_ROUTES, DrainController, schema_asset],
        dependencies={
            name: Provide(_always(part), sync_to_thread=False)
            for name, part in {
                "settings": parts.settings,
                "database": parts.database,
                "notifications": parts.notifications,
                "addresses": parts.addresses,
                "twilio": parts.twilio,
                "secret_box": parts.secret_box,
                "address_guard": parts.address_guard,
                "tool_requests": parts.tool_requests,
                "live_calls": parts.live_calls,
                "recording_files": parts.recording_files,
                "signatures": parts.signatures,
                "stream_tokens": parts.stream_tokens,
                "streams": parts.streams,
                "without_postgres": parts.without_postgres,
                "health": parts.health,
                "draining": parts.draining,
                "metrics_page": parts.metrics_page,
            }.items()
        },
        state=State({"authenticator": _authenticator(parts), "parts": parts}),
        before_send=[add_headers],
        lifespan=[lifespan],
        exception_handlers=EXCEPTION_HANDLERS,
        plugins=PLUGINS,
        openapi_config=openapi_config(__version__, [schema_page()]),
        request_max_body_size=MAX_BODY_BYTES,
        logging_config=None,
    )


class SchemaPage(SwaggerRenderPlugin):
    """Addresses in alphabetical order: what makes and lists things stands before what changes one."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        paths = dict(sorted(openapi_schema["paths"].items()))
        # Litestar leaves the types of the request open.
        return super().render(request, openapi_schema | {"paths": paths})  # pyright: ignore[reportUnknownMemberType]


def schema_page() -> OpenAPIRenderPlugin:
    return SchemaPage(
        js_url="/schema/assets/swagger-ui-bundle.js",
        css_url="/schema/assets/swagger-ui.css",
        standalone_preset_js_url="/schema/assets/swagger-ui-standalone-preset.js",
        favicon="<link rel='icon' href='data:,'>",
    )


@get("/schema/assets/{name:str}", include_in_schema=False, media_type=MediaType.TEXT, sync_to_thread=False)
def schema_asset(name: FromPath[str]) -> File:
    if name not in ASSETS:
        raise NotFoundException
    return File(
        path=Path(str(swagger_ui_path)) / name,
        media_type=ASSETS[name],
        content_disposition_type="inline",
        headers={"cache-control": "public, max-age=86400"},
    )


def _authenticator(parts: Parts) -> Authenticator:
    behind = ClientAddress(parts.settings.trusted_proxies)
    return Authenticator(parts.database, parts.settings.admin_api_key, parts.rate_limits, behind)


def _always(part: Any) -> Callable[[], Any]:
    def provide() -> Any:
        return part

    return provide
