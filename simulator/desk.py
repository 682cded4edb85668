"""`/simulator/...`: its own HTTP, for people, tests in other processes and `callbridge simulate`."""

from __future__ import annotations

import asyncio
import base64
import binascii
import dataclasses
import json
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from simulator.audio.recording import BadWav, from_wav
from simulator.model.handshake_faults import HandshakeFault
from simulator.model.script import script_from_json
from simulator.model.server import VoiceModel
from simulator.model.session_faults import SessionFault
from simulator.model.stats import session_as_json
from simulator.network.call import SimulatedCall
from simulator.network.faults import Faults
from simulator.network.network import Network
from simulator.phones import behaviour as behaviours
from simulator.phones.behaviour import BadBehaviour, Behaviour, HangUp, Line
from simulator.timing import BadTiming
from simulator.wire import SocketFault

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
DEFAULT_CALLER = "+12125550123"


class CallAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call to be placed. `interrupt_after_ms` is about the last line, `dtmf` comes after all of them."""

    to: str
    from_: str = msgspec.field(default=DEFAULT_CALLER, name="from")
    say: tuple[str, ...] = ()
    wav: str = ""
    """Base64 of a WAV file, played after what is said."""
    dtmf: str = ""
    interrupt_after_ms: int | None = None
    hangs_up: HangUp = "after_answer"
    hangs_up_after_ms: int | None = None
    patience_ms: int = 8_000
    silence_ms: int = 1_100

    def behaviour(self) -> Behaviour:
        """Raises BadBehaviour."""
        lines = [Line(say=text) for text in self.say]
        if self.wav:
            lines.append(Line(wav=self.wav))
        if self.interrupt_after_ms is not None and lines:
            lines[-1] = msgspec.structs.replace(lines[-1], interrupt_after_ms=self.interrupt_after_ms)
        if self.dtmf:
            lines.append(Line(dtmf=self.dtmf))
        for line in lines:
            check_line(line)
        return Behaviour(
            lines=tuple(lines),
            hangs_up=self.hangs_up,
            hangs_up_after_ms=self.hangs_up_after_ms,
            patience_ms=self.patience_ms,
            silence_ms=self.silence_ms,
        )


def check_line(line: Line) -> None:
    """Raises BadBehaviour, BadWav."""
    behaviours.check(line)
    if line.wav:
        try:
            from_wav(base64.b64decode(line.wav, validate=True))
        except binascii.Error:
            raise BadBehaviour("wav must be the base64 of a WAV file.") from None


class StreamFault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See `Wire.fail`."""

    fault: SocketFault
    seconds: float | None = None
    code: int = 1011


class ModelFault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of every open session whose instructions contain `about`."""

    fault: SocketFault | SessionFault
    about: str = ""
    seconds: float | None = None
    code: int = 1011


class Desk:
    def __init__(self, network: Network, model: VoiceModel, public_url: str) -> None:
        self._network = network
        self._model = model
        self._public_url = public_url

    def routes(self) -> list[web.RouteDef]:
        table: list[tuple[str, str, Handler]] = [
            ("GET", "state", self._state),
            ("PUT", "phones/{number}", self._set_phone),
            ("DELETE", "phones/{number}", self._forget_phone),
            ("POST", "calls", self._place_call),
            ("GET", "calls/{sid}", self._show_call),
            ("POST", "calls/{sid}/hangup", self._hang_up),
            ("GET", "calls/{sid}/events", self._follow_call),
            ("GET", "calls/{sid}/audio.wav", self._audio),
            ("POST", "calls/{sid}/faults", self._fail_stream),
            ("GET", "timing", self._show_timing),
            ("PUT", "timing", self._set_timing),
            ("PUT", "faults", self._set_faults),
            ("POST", "model/script", self._add_script),
            ("POST", "model/faults", self._fail_model),
            ("POST", "model/handshakes", self._fail_handshakes),
            ("GET", "model/sessions", self._sessions),
        ]
        return [
            web.route(method, f"/simulator/{path}", _explaining(handle)) for method, path, handle in table
        ]

    async def _state(self, request: web.Request) -> web.Response:
        account = self._network.equipment.account
        phones = self._network.equipment.directory.phones
        return web.json_response(
            {
                "account_sid": account.sid,
                "public_url": self._public_url,
                "numbers": [
                    {"number": number.phone_number, "voice_url": number.voice_url}
                    for number in account.numbers.values()
                ],
                "phones": {number: _plain(behaviour) for number, behaviour in phones.items()},
                "any_other_phone": _plain(behaviours.DEFAULT),
                "live_calls": [call.as_json() for call in self._network.live_calls],
                "model": {
                    "open_sessions": self._model.stats.open_sessions,
                    "total_sessions": self._model.stats.total_sessions,
                    "problems": self._model.problems,
                },
            }
        )

    async def _set_phone(self, request: web.Request) -> web.Response:
        behaviour = behaviours.from_json(await request.json())
        for line in behaviour.lines:
            check_line(line)
        self._network.equipment.directory.phones[request.match_info["number"]] = behaviour
        return web.json_response(_plain(behaviour))

    async def _forget_phone(self, request: web.Request) -> web.Response:
        self._network.equipment.directory.phones.pop(request.match_info["number"], None)
        return web.Response(status=204)

    async def _place_call(self, request: web.Request) -> web.Response:
        asked = msgspec.convert(await request.json(), CallAsked)
        if self._network.equipment.account.owned(asked.to) is None:
            owned = ", ".join(
                number.phone_number for number in self._network.equipment.account.numbers.values()
            )
            raise BadBehaviour(f"The practice account does not own {asked.to}. It owns {owned}.")
        call = self._network.place_call(asked.from_, asked.to, asked.behaviour())
        return web.json_response({"call_sid": call.sid}, status=201)

    async def _show_call(self, request: web.Request) -> web.Response:
        return web.json_response(self._call(request).as_json())

    async def _hang_up(self, request: web.Request) -> web.Response:
        self._call(request).hang_up()
        return web.Response(status=204)

    async def _follow_call(self, request: web.Request) -> web.StreamResponse:
        call = self._call(request)
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        try:
            async for moment in call.story.follow():
                await response.write(json.dumps(moment.as_json()).encode() + b"\n")
        except ConnectionError:
            return response  # the reader has left
        await response.write_eof()
        return response

    async def _audio(self, request: web.Request) -> web.Response:
        return web.Response(body=self._call(request).audio_wav, content_type="audio/wav")

    async def _show_timing(self, request: web.Request) -> web.Response:
        return web.json_response(self._timing())

    async def _set_timing(self, request: web.Request) -> web.Response:
        """`{"network": {...}, "model": {...}}`, each with only what is to change."""
        asked = msgspec.convert(await request.json(), dict[str, dict[str, Any]])
        if unknown := set(asked) - {"network", "model"}:
            raise BadTiming(f"Unknown: {', '.join(sorted(unknown))}. There are network and model.")
        equipment = self._network.equipment
        timing = equipment.timing.changed(asked.get("network", {}))
        model_values = asked.get("model", {})
        current = dataclasses.asdict(self._model.timing)
        known = [name for name, value in current.items() if isinstance(value, int | float)]
        for name, value in model_values.items():
            if (
                name not in known
                or not isinstance(value, int | float)
                or isinstance(value, bool)
                or value < 0
            ):
                raise BadTiming(
                    f"'{name}' of the model is none of {', '.join(known)}, or no number from 0 up."
                )
        if model_values.get("speed") == 0:
            raise BadTiming("'speed' of the model must be above 0.")
        equipment.timing = timing
        for name, value in model_values.items():
            setattr(self._model.timing, name, value)
        return web.json_response(self._timing())

    async def _set_faults(self, request: web.Request) -> web.Response:
        faults = msgspec.convert(await request.json(), Faults)
        self._network.equipment.faults.take_over(faults)
        return web.Response(status=204)

    async def _add_script(self, request: web.Request) -> web.Response:
        self._model.script(script_from_json(await request.json()))
        return web.Response(status=204)

    async def _fail_stream(self, request: web.Request) -> web.Response:
        """A `Fault` of a socket, on the call's media stream."""
        fault = msgspec.convert(await request.json(), StreamFault)
        streams = [stream for stream in self._call(request).streams if stream.live]
        for stream in streams:
            stream.fail(fault.fault, seconds=fault.seconds, code=fault.code)
        return web.json_response({"streams": len(streams)})

    async def _fail_model(self, request: web.Request) -> web.Response:
        fault = msgspec.convert(await request.json(), ModelFault)
        struck = self._model.fail(fault.fault, about=fault.about, seconds=fault.seconds, code=fault.code)
        return web.json_response({"sessions": struck})

    async def _fail_handshakes(self, request: web.Request) -> web.Response:
        fault = msgspec.convert(await request.json(), HandshakeFault)
        self._model.handshake_faults.add(fault, asyncio.get_running_loop().time())
        return web.Response(status=204)

    async def _sessions(self, request: web.Request) -> web.Response:
        """Those whose instructions contain `?about=`, in the order in which they were opened."""
        about = request.query.get("about", "")
        found = [record for record in self._model.stats.sessions if about in record.instructions]
        return web.json_response([session_as_json(record) for record in found])

    def _timing(self) -> dict[str, Any]:
        return {
            "network": self._network.equipment.timing.as_json(),
            "model": dataclasses.asdict(self._model.timing),
        }

    def _call(self, request: web.Request) -> SimulatedCall:
        call = self._network.calls.get(request.match_info["sid"])
        if call is None:
            raise web.HTTPNotFound(
                text=json.dumps({"error": "There is no such call."}), content_type="application/json"
            )
        return call


def _plain(behaviour: Behaviour) -> dict[str, Any]:
    return behaviours.as_json(behaviour)


def _explaining(handle: Handler) -> Handler:
    """Bad input is answered 422 with what is wrong with it."""

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            return await handle(request)
        except (BadBehaviour, BadTiming, BadWav, msgspec.ValidationError, ValueError, TypeError) as error:
            return web.json_response({"error": str(error)}, status=422)

    return handler
