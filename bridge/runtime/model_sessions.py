"""Opens the voice model's sockets that calls ask for, and holds them as long as they last."""

from __future__ import annotations

import asyncio
import ssl
from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bridge.call.commands import OpenModel
from bridge.runtime.counters import Counters
from bridge.runtime.held import Held
from bridge.runtime.model_leg import ModelNotOpened, ModelOptions, open_model_leg
from database import call_commands
from database.notifications import Notifications
from database.session import Database

LET_GO_SECONDS = 0.5
"""For another process to close the model session that it has ready. One that was killed does not answer."""

log = structlog.get_logger(__name__)


class ModelSessions:
    def __init__(
        self, model: ModelOptions, database: Database, notifications: Notifications, counters: Counters
    ) -> None:
        self._model = model
        self._database = database
        self._notifications = notifications
        self._counters = counters
        self._ssl_context = ssl.create_default_context() if model.base_url.startswith("https") else None

    async def hold(self, held: Held, command: OpenModel) -> None:
        """Lasts as long as the socket, so that a task that is left shows a socket that is left."""
        live, session = held.live, command.session
        if held.warm_elsewhere:
            held.warm_elsewhere = False
            await self._let_go_elsewhere(held.row_id)
            if live.ending is not None:
                return
        try:
            async with asyncio.timeout(command.timeout):
                leg = await open_model_leg(self._model, held.agent.config.model, self._ssl_context)
        except TimeoutError:
            self._counters.model_sessions_unreachable += 1
            live.model_unreachable(session, refused=False, code="timeout", message="The voice model is slow.")
            return
        except ModelNotOpened as error:
            if error.refused:
                self._counters.model_sessions_refused += 1
            else:
                self._counters.model_sessions_unreachable += 1
            live.model_unreachable(session, refused=error.refused, code=error.code, message=error.message)
            return
        try:
            if live.model_opened(session, leg):
                leg.attach(partial(live.model_texts, session), partial(live.model_closed, session))
            else:
                leg.close()
            await leg.wait_closed()
        except asyncio.CancelledError:
            leg.abort()
            raise
        finally:
            held.sessions.pop(session, None)

    async def _let_go_elsewhere(self, call_id: str) -> None:
        """A call has one model session at a time, and pays for one."""
        try:
            await call_commands.let_go_elsewhere(
                self._database, self._notifications, call_id, timeout_s=LET_GO_SECONDS
            )
        except (OSError, TimeoutError, SQLAlchemyError) as error:
            log.warning("other_session_not_asked_for", call_id=call_id, error=type(error).__name__)
