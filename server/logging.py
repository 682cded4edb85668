"""Log lines: structured, one event name each, without secrets, phone numbers or speech."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any, cast

import structlog
from structlog.typing import EventDict, Processor

_PHONE_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}(?![0-9])")
_CREDENTIAL = re.compile(r"(?i)\b(bearer\s+)[!-~]+|\bsk-[A-Za-z0-9_-]{8,}")


class Redactor:
    """The last net under everything: nobody should log such things, and what slips through is replaced."""

    def __init__(self, secrets: Iterable[str]) -> None:
        values = sorted({secret for secret in secrets if len(secret) >= 8}, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, values))) if values else None

    def clean(self, text: str) -> str:
        if self._secrets is not None:
            text = self._secrets.sub("[secret]", text)
        return _PHONE_NUMBER.sub("[number]", _CREDENTIAL.sub(r"\1[secret]", text))

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> EventDict:
        return {key: self._cleaned(value) for key, value in event.items()}

    def _cleaned(self, value: object) -> object:
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, dict):
            return {key: self._cleaned(item) for key, item in cast("dict[object, object]", value).items()}
        if isinstance(value, list | tuple):
            return [self._cleaned(item) for item in cast("list[object]", value)]
        return value if isinstance(value, int | float | bool | None) else self.clean(repr(value))


def configure_logging(level: str, log_format: str, secrets: Iterable[str], **always: object) -> None:
    """For this process, the standard library's loggers included. `always` stands on every line."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
    ]
    console = log_format == "console"
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if console
        else structlog.processors.JSONRenderer(sort_keys=False)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                Redactor(secrets),
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # A library's chatter: addresses with phone numbers in them, a line per request, each frame of a socket.
    for name in (
        "uvicorn",
        "httpx",
        "httpcore",
        "aiohttp",
        "twilio",
        "websockets",
        "alembic",
        "asyncio",
        "pgqueuer",
    ):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    structlog.contextvars.clear_contextvars()
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared[:-1],
            _Always(always),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


class _Always:
    def __init__(self, values: dict[str, object]) -> None:
        self._values = values

    def __call__(self, _logger: object, _method: str, event: EventDict) -> EventDict:
        return {**self._values, **event}
