"""One socket to the pretend model: carries frames between aiohttp and a session, and keeps the session's one
timer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

from aiohttp import web

from simulator.model.outlet import Close, Outgoing, Recognise, Speak
from simulator.model.session import Session
from simulator.model.session_faults import SESSION_FAULTS, SessionFault
from simulator.wire import SOCKET_FAULTS, SocketFault, Wire

logger = logging.getLogger(__name__)

_T = TypeVar("_T")
_R = TypeVar("_R")

Speaker = Callable[[str], bytes]
"""Text to mu-law speech; called in a thread."""
Recogniser = Callable[[bytes], str | None]
"""Mu-law speech to text, None when nothing was understood; called in a thread."""

_QUEUED_FRAMES = 5_000
"""Of a client that does not read; then the connection is cut."""


class Connection:
    """Runs one session until its socket ends. Everything that touches the session is synchronous."""

    def __init__(
        self,
        request: web.Request,
        socket: web.WebSocketResponse,
        session: Session,
        speak: Speaker,
        recognise: Recogniser | None,
    ) -> None:
        self.session = session
        self.wire = Wire(socket, request.transport)
        self._speak = speak
        self._recognise = recognise
        self._loop = asyncio.get_running_loop()
        self._frames: asyncio.Queue[str | Close] = asyncio.Queue(_QUEUED_FRAMES)
        self._errands: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._close: Close | None = None

    async def run(self) -> int:
        """The close code that ended it."""
        writer = asyncio.create_task(self._write())
        self._carry_out(self.session.opened())
        try:
            while (message := await self.wire.receive()) is not None:
                self._carry_out(self.session.handle(message, self._loop.time()))
        finally:
            if self._timer is not None:
                self._timer.cancel()
            for task in (writer, *self._errands):
                task.cancel()
            await asyncio.gather(writer, *self._errands, return_exceptions=True)
            code = self.wire.close_code or self.wire.peer_close_code
            self.wire.end()
            await self.wire.close()
        return self._close.code if self._close is not None else int(code or 1006)

    def fail(
        self, fault: SocketFault | SessionFault, *, seconds: float | None = None, code: int = 1011
    ) -> None:
        if fault in SESSION_FAULTS:
            self._carry_out(self.session.fail(fault, self._loop.time()))
        elif fault in SOCKET_FAULTS:
            self.wire.fail(fault, seconds=seconds, code=code)

    def _carry_out(self, outgoing: list[Outgoing]) -> None:
        for out in outgoing:
            match out:
                case Speak() | Recognise():
                    errand = self._loop.create_task(self._run_errand(out))
                    self._errands.add(errand)
                    errand.add_done_callback(self._errands.discard)
                case _ if self._frames.full():
                    self.wire.reset()
                case _:
                    self._frames.put_nowait(out)
        self._set_timer()

    def _set_timer(self) -> None:
        deadline = self.session.deadline
        if self._timer is not None:
            if self._timer.when() == deadline and not self._timer.cancelled():
                return
            self._timer.cancel()
        self._timer = None if deadline is None else self._loop.call_at(deadline, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._carry_out(self.session.tick(self._loop.time()))

    async def _run_errand(self, errand: Speak | Recognise) -> None:
        match errand:
            case Speak():
                speech = await _attempt(self._speak, errand.text)
                done = self.session.spoken(errand.response_id, errand.part, speech, self._loop.time())
            case Recognise():
                text = None if self._recognise is None else await _attempt(self._recognise, errand.mulaw)
                done = self.session.recognised(errand.item_id, text, self._loop.time())
        self._carry_out(done)

    async def _write(self) -> None:
        while True:
            frame = await self._frames.get()
            if isinstance(frame, str):
                await self.wire.send(frame)
                continue
            self._close = frame
            if frame.code == 1006:
                self.wire.reset()
            else:
                await self.wire.close(frame.code, frame.reason)
            return


async def _attempt(deed: Callable[[_T], _R], subject: _T) -> _R | None:
    """A voice or a recogniser may fail; the session goes on without what it would have brought."""
    try:
        return await asyncio.to_thread(deed, subject)
    except Exception:
        logger.exception("the model's voice or hearing failed")
        return None
