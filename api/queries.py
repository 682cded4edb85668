"""Query parameters that a route does not know are refused: a misspelt filter would list everything."""

from __future__ import annotations

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter

from api.errors import bad_field


def refuse_unknown_queries(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    known = {
        field.kwarg_definition.name or name
        for name, field in handler.parsed_fn_signature.parameters.items()
        if isinstance(field.kwarg_definition, QueryParameter)
    }
    names = [name for name, _ in connection.query_params.multi_items()]
    for name in names:
        if names.count(name) > 1:
            raise bad_field(name, "is given more than once")
        if name not in known:
            takes = ", ".join(sorted(known)) or "none"
            raise bad_field(name, f"is not a query parameter of this address, which takes: {takes}")
