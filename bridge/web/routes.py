"""Everything that Twilio calls."""

from __future__ import annotations

from litestar import Router
from litestar.types import ControllerRouterHandler
from sqlalchemy.exc import SQLAlchemyError

from bridge.web.after_dial import after_dial
from bridge.web.after_stream import after_stream
from bridge.web.dialled import dialled, whisper
from bridge.web.form import provide_form
from bridge.web.machine_detection import machine_detected
from bridge.web.media import media
from bridge.web.outbound import outbound
from bridge.web.postgres_away import try_again, within_twilios_limit
from bridge.web.status import call_status, number_status
from bridge.web.trial_call import trial_stream, trial_webhook
from bridge.web.voice import voice

MAX_FORM_BYTES = 256 * 1024


ROUTES: list[ControllerRouterHandler] = [
    Router(
        "/twilio",
        route_handlers=[
            voice,
            outbound,
            number_status,
            call_status,
            machine_detected,
            after_stream,
            after_dial,
            dialled,
            whisper,
            media,
            trial_webhook,
            trial_stream,
        ],
        dependencies={"form": provide_form},
        middleware=[within_twilios_limit],
        exception_handlers={SQLAlchemyError: try_again, OSError: try_again, TimeoutError: try_again},
        include_in_schema=False,
        request_max_body_size=MAX_FORM_BYTES,
    )
]
