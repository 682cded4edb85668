"""The life of one call: dialling, ringing, talking, the end and the last callback."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine

from simulator.audio import watermark
from simulator.audio.recording import BadWav, from_wav
from simulator.network import reach, twiml
from simulator.network.call import Interruption, MachineDetection, SimulatedCall, Source
from simulator.network.call_record import Status
from simulator.network.callbacks import StatusCallbacks
from simulator.network.equipment import Equipment
from simulator.network.line import Line
from simulator.network.machine_detection import detect
from simulator.network.media_stream import MediaStream
from simulator.network.talk import Rejected, Talk
from simulator.network.webhooks import Exchange
from simulator.phones.behaviour import BadBehaviour
from simulator.phones.phone import PreparedLine

Dialling = Callable[[SimulatedCall, "Life", twiml.Dial, dict[str, str]], Coroutine[None, None, None]]
UNANSWERED: dict[str, Status] = {"busy": "busy", "unreachable": "failed", "never_answers": "no-answer"}


class Life:
    """`dialling` carries a `<Dial>` out."""

    def __init__(self, call: SimulatedCall, equipment: Equipment, dialling: Dialling) -> None:
        self._call = call
        self._equipment = equipment
        self._dialling = dialling
        self._callbacks = StatusCallbacks(call, equipment.webhooks, equipment.faults, equipment.clock)
        self._beside: set[asyncio.Task[None]] = set()
        self._lines: asyncio.Task[list[PreparedLine]] | None = None
        self._line_task: asyncio.Task[None] | None = None
        self._detection: asyncio.Task[None] | None = None

    async def come_in(self) -> None:
        """A person has dialled one of the account's numbers."""
        self._prepare_lines()
        try:
            await self._rejectable_call()
        except (BadBehaviour, BadWav) as error:
            self._end("failed", by="network", why=str(error))
        finally:
            await self._finish()

    async def go_out(self, queued_s: float) -> None:
        """Our server asked for this call by the REST API."""
        self._prepare_lines()
        try:
            if await self._dial_and_ring(queued_s):
                await self.answer()
                if self._call.settings.machine_detection is not None:
                    self._detection = self._spawn(self._detect(self._call.settings.machine_detection))
                await self._talk(self._call.settings.source)
        except (BadBehaviour, BadWav) as error:
            self._end("failed", by="network", why=str(error))
        finally:
            await self._finish()

    async def answer(self) -> Line:
        call = self._call
        if call.line is not None:
            return call.line
        assert self._lines is not None  # noqa: S101 prepared when the call began
        line = call.connect_phone(await self._lines, self._equipment.timing.jitter_buffer_ms)
        self._move("in-progress", "answered")
        self._line_task = self._spawn(self._keep_time(line))
        return line

    async def ask(self, source: Source) -> Exchange:
        call = self._call
        parameters = [*call.record.parameters(), *source.parameters]
        exchange = await self._equipment.webhooks.ask(source.url, parameters, source.method)
        call.webhooks.append(exchange)
        call.story.tell("webhook", url=exchange.url, tries=exchange.tries, took_ms=exchange.took_ms)
        return exchange

    async def voice_of_network(self, text: str) -> bytes:
        speech = await asyncio.to_thread(self._equipment.voice.speak, text, "network")
        return watermark.embed(speech, text)

    async def fetch_audio(self, url: str) -> bytes:
        async with self._equipment.http.get(url) as response:
            return from_wav(await response.read())

    async def run_stream(self, asked: twiml.Stream, line: Line) -> None:
        equipment = self._equipment
        stream = MediaStream(
            sid=f"MZ{secrets.token_hex(16)}",
            asked=asked,
            account_sid=equipment.account.sid,
            call_sid=self._call.sid,
            timing=equipment.timing_now,
            tell=self._call.story.tell,
            on_started=lambda: self._report_stream(stream, "stream-started"),
            seed=equipment.next_seed(),
        )
        self._call.streams.append(stream)
        try:
            if equipment.faults.refuses_stream():
                stream.refuse()
                return
            await stream.run(equipment.http, equipment.account.auth_token, line)
        finally:
            self._report_stream(stream, "stream-stopped" if stream.started else "stream-error")

    async def dial(self, verb: twiml.Dial, told: dict[str, str]) -> None:
        await self._dialling(self._call, self, verb, told)

    async def _rejectable_call(self) -> None:
        """The number's webhook decides whether the call is answered at all."""
        source = self._call.settings.source
        if not source.url:
            self._end("failed", by="network", why="Nobody has set a voice webhook for this number.")
            return
        self._move("ringing", "ringing")
        try:
            await self._talk(source)
        except Rejected as rejected:
            self._end("busy" if rejected.reason == "busy" else "no-answer", by="twiml")

    async def _dial_and_ring(self, queued_s: float) -> bool:
        """True when the phone picks up."""
        try:
            async with asyncio.timeout(queued_s + self._call.settings.ring_seconds + 5):
                ringing = asyncio.create_task(self._ring(queued_s))
                interruption = await self._first(ringing)
        except TimeoutError:
            interruption = None
        if interruption is not None:
            self._end("canceled", by=interruption.by)
        return not self._call.record.is_over

    async def _ring(self, queued_s: float) -> None:
        behaviour = self._call.behaviour
        if queued_s > 0:
            await asyncio.sleep(queued_s)
        self._move("initiated", "initiated")
        await asyncio.sleep(self._equipment.timing.dial_ms / 1000)
        if why := reach.why_not_callable(self._call.record.to):
            self._end("failed", by="network", why=why)
            return
        if behaviour.pick_up in ("busy", "unreachable"):
            self._end(UNANSWERED[behaviour.pick_up], by="callee")
            return
        self._move("ringing", "ringing")
        answers_s = behaviour.answers_after_ms / 1000
        ring_s = self._call.settings.ring_seconds
        await asyncio.sleep(min(answers_s, ring_s) if behaviour.pick_up == "answers" else ring_s)
        if behaviour.pick_up == "never_answers" or answers_s > ring_s:
            self._end("no-answer", by="network")

    async def _talk(self, source: Source) -> None:
        """Carries TwiML out until somebody hangs up or nothing is left to do. Raises Rejected."""
        limit = asyncio.get_running_loop().call_later(
            self._call.settings.limit_seconds, self._call.interrupt, Interruption("time limit")
        )
        try:
            next_source: Source | None = source
            while next_source is not None:
                talk = Talk(self._call, self)
                interruption = await self._first(asyncio.create_task(talk.run(next_source)))
                next_source = interruption.source if interruption else None
                if next_source is None:
                    status: Status = "completed" if self._call.line or interruption is None else "no-answer"
                    self._end(status, by=interruption.by if interruption else "twiml")
                    self._tell_action(talk)
        finally:
            limit.cancel()

    def _tell_action(self, talk: Talk) -> None:
        """The call ended while a stream was connected, or another phone rang or was talked to: the action
        hears of it, its answer is not done."""
        verb = talk.going_on
        if verb is not None and verb.action:
            told = tuple(talk.dial_told.items()) if isinstance(verb, twiml.Dial) else ()
            self._spawn(self._ask_in_vain(Source(verb.action, verb.method, parameters=told)))

    async def _ask_in_vain(self, source: Source) -> None:
        await self.ask(source)

    async def _first(self, task: asyncio.Task[None]) -> Interruption | None:
        """Waits for the task or for an interruption, which cancels it. Raises what the task raises."""
        interrupted = asyncio.create_task(self._call.interruptions.get())
        try:
            await asyncio.wait({task, interrupted}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
                return None
            return interrupted.result()
        finally:
            interrupted.cancel()
            task.cancel()
            await asyncio.wait({task, interrupted})

    async def _keep_time(self, line: Line) -> None:
        await line.run()
        self._call.hang_up()

    def _prepare_lines(self) -> None:
        lines = [*self._call.behaviour.lines]
        self._lines = asyncio.create_task(self._equipment.directory.prepare(lines))

    def _move(self, status: Status, moment: str) -> None:
        if self._call.record.move(status, self._equipment.clock()):
            self._call.story.tell(moment)
            self._callbacks.report(moment)

    def _end(self, status: Status, *, by: str, **data: object) -> None:
        call = self._call
        if not call.record.move(status, self._equipment.clock()):
            return
        if call.line is not None:
            call.line.phone.end()
        for task in (self._line_task, self._detection):
            if task is not None:
                task.cancel()
        call.story.tell("ended", status=status, by=by, **data)
        self._callbacks.report("completed")

    async def _finish(self) -> None:
        """Cut off in the middle, a call ends as failed; then all that was begun is brought to its end."""
        self._end("failed", by="network")
        if self._lines is not None:
            self._lines.cancel()
        await self._callbacks.finish()
        while self._beside:
            await asyncio.wait(self._beside)
        self._call.story.finish()
        self._call.over.set()

    async def _detect(self, asked: MachineDetection) -> None:
        """Who has answered; beside the call, which does not wait for it."""
        verdict = await detect(asked, self._call.behaviour, self._call.story)
        self._call.record.answered_by = verdict.answered_by
        self._call.story.tell("detected", answered_by=verdict.answered_by, after_ms=verdict.after_ms)
        told = {
            "AccountSid": self._equipment.account.sid,
            "CallSid": self._call.sid,
            "AnsweredBy": verdict.answered_by,
            "MachineDetectionDuration": str(verdict.after_ms),
        }
        self._detection = None
        if asked.callback:
            await self._send(asked.callback, told, asked.callback_method)

    def _report_stream(self, stream: MediaStream, event: str) -> None:
        url = stream.asked.status_callback
        if not url:
            return
        told = {
            "AccountSid": self._equipment.account.sid,
            "CallSid": self._call.sid,
            "StreamSid": stream.sid,
            "StreamName": stream.asked.name,
            "StreamEvent": event,
            "Timestamp": self._equipment.clock().strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        }
        if event == "stream-error":
            told["StreamError"] = f"{stream.error_code} - Stream"
        self._spawn(self._send(url, told))

    async def _send(self, url: str, parameters: dict[str, str], method: str = "POST") -> None:
        asked = await self._equipment.webhooks.ask(url, list(parameters.items()), method)
        self._call.webhooks.append(asked)

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)
        return task
