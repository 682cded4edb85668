"""`/twilio/trial/...`: a call on which we close, break and leave sockets, to see what Twilio makes of it.

Only Twilio gets in here, as everywhere below `/twilio`, and nothing is kept: each request is reported to the
`callbridge doctor --live-call` that placed the call.

| step | Twilio is given |
| --- | --- |
| `begin` | a stream that plays, clears, and is closed by us |
| `after-closed` | a stream that we abort |
| `after-aborted` | a stream that ends by new TwiML through REST |
| `moved` | a Redirect to `broken` |
| `broken` | 503 each time, until it asks the fallback address |
| `fallback` | hang up |
"""

from __future__ import annotations

import asyncio
import base64
from typing import Any

from litestar import Request, Response, WebSocket, post, websocket
from litestar.di import NamedDependency
from litestar.params import FromPath

from bridge.runtime.counters import Counters
from bridge.runtime.phone_leg import PhoneLeg
from bridge.runtime.socket_leg import SocketLeg
from bridge.web.form import Form
from bridge.web.media import read_start
from bridge.web.signature import Signatures
from bridge.web.take_over import phone_leg
from bridge.web.xml import Xml
from bridge.wire import twilio
from database.session import Database
from database.trial_reports import report
from telephony import trial_twiml, twiml
from telephony.addresses import Addresses

SECONDS_OF_SOUND = 4
QUIET_SECONDS = 1.0
LONGEST_SECONDS = 20.0
STREAM_AFTER = {"begin": "closed", "after-closed": "aborted", "after-aborted": "moved"}
"""Which stream a step connects, by what becomes of it."""
_TONE = base64.b64encode(bytes.fromhex("8e80828e0e02000e") * 1000 * SECONDS_OF_SOUND).decode()
"""A soft 1 kHz, mu-law at 8 kHz."""


@post("/trial/{run:str}/{step:str}", status_code=200)
async def trial_webhook(
    run: FromPath[str],
    step: FromPath[str],
    form: Form,
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    addresses: NamedDependency[Addresses],
) -> Response[str]:
    """A step that is reached by the Redirect, because `action` was not requested, has `-redirected` added."""
    token = request.headers.get("i-twilio-idempotency-token", "")
    error_code = form.text("ErrorCode")
    await report(
        database, run, step, "asked", call_status=form.call_status, token=token, error_code=error_code
    )
    step = step.removesuffix("-redirected")
    if (ending := STREAM_AFTER.get(step)) is not None:
        after = addresses.trial(run, f"after-{ending}")
        otherwise = addresses.trial(run, f"after-{ending}-redirected")
        stream = addresses.trial_media(run, ending)
        return Xml(trial_twiml.connect(stream_url=stream, action_url=after, redirect_url=otherwise))
    if step == "moved":
        return Xml(trial_twiml.redirect(addresses.trial(run, "broken")))
    if step == "broken":
        return Response("", status_code=503)
    return Xml(twiml.hang_up())


@websocket("/trial/{run:str}/{step:str}")
async def trial_stream(
    *,
    run: FromPath[str],
    step: FromPath[str],
    socket: WebSocket[Any, Any, Any],
    signatures: NamedDependency[Signatures],
    database: NamedDependency[Database],
) -> None:
    if not signatures.right_upgrade(socket.scope["raw_path"].decode("latin-1"), socket.headers):
        await socket.close()  # before `accept`: HTTP 403
        return
    await socket.accept()
    leg = phone_leg(socket, Counters())
    start = await read_start(leg)
    if start is None:
        await leg.refuse(1008)
        return
    await report(database, run, step, "started", call_sid=start.call_sid)
    trial = TrialStream(leg, start.stream_sid)
    async with asyncio.timeout(LONGEST_SECONDS):
        if step == "closed":
            await report(database, run, step, "cleared", **await trial.clears())
            await report(database, run, step, "ended")
            await leg.refuse(1000)
        elif step == "aborted":
            await trial.listens(QUIET_SECONDS)
            await report(database, run, step, "ended", aborted=isinstance(leg, SocketLeg))
            if isinstance(leg, SocketLeg):
                leg.abort()
            await leg.refuse(1000)
        else:
            stopped = await trial.listens(LONGEST_SECONDS)
            await report(database, run, step, "stopped", stopped=stopped)
            await leg.refuse(1000)


class TrialStream:
    def __init__(self, leg: PhoneLeg, stream_sid: str) -> None:
        self._leg = leg
        self._outgoing = twilio.Outgoing(stream_sid)

    async def clears(self) -> dict[str, Any]:
        """Plays, clears in the middle, and says which marks came back how soon."""
        loop = asyncio.get_running_loop()
        self._say(self._outgoing.media(_TONE), self._outgoing.mark("one"), self._outgoing.mark("two"))
        await self.listens(QUIET_SECONDS)
        self._say(self._outgoing.clear)
        cleared_at = loop.time()
        marks: list[str] = []
        while len(marks) < 2 and loop.time() - cleared_at < QUIET_SECONDS:
            message = await self._heard(QUIET_SECONDS)
            if isinstance(message, twilio.Mark):
                marks.append(message.mark.name)
        return {"marks": marks, "ms": round((loop.time() - cleared_at) * 1000)}

    async def listens(self, seconds: float) -> bool:
        """For so long. True: Twilio has said `stop`."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while (left := until - loop.time()) > 0:
            message = await self._heard(left)
            if isinstance(message, twilio.Stop):
                return True
            if message is None:
                return False
        return False

    async def _heard(self, seconds: float) -> twilio.Message | None:
        try:
            async with asyncio.timeout(seconds):
                text = await self._leg.receive()
        except TimeoutError:
            return None
        return None if text is None else twilio.decode(text)

    def _say(self, *messages: str) -> None:
        for message in messages:
            self._leg.send(message)
        self._leg.flush()
