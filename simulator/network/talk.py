"""Carries TwiML out on one call: fetches a document, does its verbs one after another, goes where they lead.

https://www.twilio.com/docs/voice/twiml
"""

from __future__ import annotations

import asyncio
from typing import Protocol

import aiohttp

from simulator.audio.recording import BadWav
from simulator.network import twiml
from simulator.network.call import SimulatedCall, Source
from simulator.network.line import Line, Nothing, Playing
from simulator.network.webhooks import Exchange

KEY_MS = 500
"""A key of `<Play digits>`, or its `w`."""
_TWIML_TYPES = ("text/xml", "application/xml", "text/html")


class Surroundings(Protocol):
    """What carrying out needs of the call's life and of the network around it."""

    async def answer(self) -> Line:
        """Answers an incoming call that has not been answered, and returns the call's line."""
        ...

    async def ask(self, source: Source) -> Exchange: ...

    async def voice_of_network(self, text: str) -> bytes: ...

    async def fetch_audio(self, url: str) -> bytes:
        """Raises BadWav, aiohttp.ClientError, TimeoutError."""
        ...

    async def run_stream(self, asked: twiml.Stream, line: Line) -> None: ...

    async def dial(self, verb: twiml.Dial, told: dict[str, str]) -> None:
        """Rings others, joins the first who answers to this call until one hangs up. Writes what the action
        is told."""
        ...


class Rejected(Exception):
    """`<Reject>`: the call is over without an answer. `reason` is rejected or busy."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Talk:
    def __init__(self, call: SimulatedCall, around: Surroundings) -> None:
        self._call = call
        self._around = around
        self.going_on: twiml.Connect | twiml.Dial | None = None
        """A `<Connect>` whose stream has started, or a `<Dial>`, while it lasts."""
        self.dial_told: dict[str, str] = {}
        """What became of the last `<Dial>`, as its action is told."""
        self.hung_up = False
        """It ended with a verb that says so, not because no verb was left."""

    async def run(self, source: Source) -> None:
        """Until nothing is left to do, which means hanging up. Raises Rejected."""
        next_source: Source | None = source
        while next_source is not None:
            document = await self._fetch(next_source)
            if document is None:
                await self._say("We are sorry, an application error has occurred. Goodbye.")
                return
            self._call.story.tell("twiml", verbs=[type(verb).__name__ for verb in document.verbs])
            for warning in document.warnings:
                self._call.story.tell("warning", text=warning)
            next_source = await self._carry_out(document)

    async def _fetch(self, source: Source) -> twiml.Document | None:
        """The document, or the fallback URL's, or None: nobody has one."""
        try:
            return await self._document(source)
        except twiml.TwimlError as error:
            self._call.story.tell("warning", text=str(error))
            settings = self._call.settings
            if not settings.fallback_url or source.url == settings.fallback_url:
                return None
            told = (("ErrorCode", str(error.code)), ("ErrorUrl", source.url.partition("#")[0]))
            fallback = Source(settings.fallback_url, settings.fallback_method, parameters=told)
        try:
            return await self._document(fallback)
        except twiml.TwimlError as error:
            self._call.story.tell("warning", text=str(error))
            return None

    async def _document(self, source: Source) -> twiml.Document:
        """Raises TwimlError."""
        if source.twiml:
            return twiml.read(source.twiml, "")
        exchange = await self._around.ask(source)
        if exchange.error_code is not None:
            raise twiml.TwimlError(exchange.error_code, f"{exchange.url}: {', '.join(exchange.tries)}")
        if exchange.content_type not in _TWIML_TYPES:
            raise twiml.TwimlError(12300, f"Invalid Content-Type: {exchange.content_type}")
        return twiml.read(exchange.body, source.url)

    async def _carry_out(self, document: twiml.Document) -> Source | None:
        for verb in document.verbs:
            match verb:
                case twiml.Hangup():
                    self.hung_up = True
                    return None
                case twiml.Reject(reason=reason):
                    self.hung_up = True
                    if self._call.record.status == "ringing":
                        raise Rejected(reason)
                    return None
                case twiml.Redirect(url=url, method=method):
                    return Source(url, method)
                case twiml.Say(text=text, loop=loop):
                    await self._say(text, loop)
                case twiml.Play():
                    await self._play(verb)
                case twiml.Pause(seconds=seconds):
                    await asyncio.sleep(seconds)
                case twiml.Connect():
                    await self._connect(verb)
                    if verb.action:
                        return Source(verb.action, verb.method)
                case twiml.Dial():
                    await self._dial(verb)
                    if verb.action:
                        return Source(verb.action, verb.method, parameters=tuple(self.dial_told.items()))
        return None

    async def _say(self, text: str, loop: int = 1) -> None:
        audio = await self._around.voice_of_network(text)
        self._call.story.tell("network says", text=text)
        await self._play_audio(audio * max(1, loop))

    async def _play(self, verb: twiml.Play) -> None:
        if verb.digits:
            await self._around.answer()
            await asyncio.sleep(len(verb.digits) * KEY_MS / 1000)
            return
        self._call.story.tell("network plays", url=verb.url)
        try:
            audio = await self._around.fetch_audio(verb.url)
        except (aiohttp.ClientError, TimeoutError, BadWav) as error:
            self._call.story.tell(
                "warning", text=f"11200 <Play> {verb.url}: {error}. Only WAV files are played here."
            )
            return
        await self._play_audio(audio * max(1, verb.loop))

    async def _play_audio(self, audio: bytes) -> None:
        line = await self._around.answer()
        line.attachment = playing = Playing(audio)
        try:
            await playing.done.wait()
        finally:
            line.attachment = Nothing()

    async def _connect(self, verb: twiml.Connect) -> None:
        line = await self._around.answer()
        if refusal := twiml.stream_refusal(verb.stream.url):
            code, why = refusal
            self._call.story.tell("stream refused", code=code, why=why)
            return
        self.going_on = verb
        await self._around.run_stream(verb.stream, line)
        self.going_on = None

    async def _dial(self, verb: twiml.Dial) -> None:
        if not verb.answer_on_bridge:
            await self._around.answer()
        self.dial_told = {}
        self.going_on = verb
        await self._around.dial(verb, self.dial_told)
        self.going_on = None
