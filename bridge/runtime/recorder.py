"""Recordings of live calls: tapes are emptied every second, a few at a time, and a thread writes the files.

Neither Postgres nor the disk is waited for by a call. What the disk does not take ends the recording, not the
call, and is said in the call's events.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple
from weakref import WeakKeyDictionary

import structlog

from bridge.recording.timeline import Timeline
from bridge.runtime.legs import OnTexts, StreamLeg
from bridge.runtime.live_call import LiveCall
from bridge.runtime.tape import Tape, TapedLeg
from database.journal import Entry, EventEntry
from database.recordings import RecordingEntry
from recordings.files import BYTES_PER_SECOND, RecordingFile, RecordingFiles

TURN_SECONDS = 0.05
TURNS = 16
"""Each tape is emptied once in so many turns: a crash loses less than a second, and no turn is long."""
MOST_AT_ONCE = 16
"""Of those that have ended, for the same reason."""
STUCK_SECONDS = 30.0
"""A disk that has not answered for so long is given up: tapes would fill the memory."""

STOP_SECONDS = 5.0

log = structlog.get_logger(__name__)


class Recording:
    """One tape on its way to its file, which only the thread touches."""

    def __init__(self, tape: Tape, answered_at: dt.datetime) -> None:
        self.tape = tape
        self.answered_at = answered_at
        self.timeline = Timeline()
        self.file: RecordingFile | None = None
        self.size = 0
        self.error: str | None = None
        self.written = asyncio.Event()
        """All of it, or as much as there will be."""


class Overheard(NamedTuple):
    leg: StreamLeg
    on_texts: OnTexts
    over: Callable[[], None]
    """To be called when the media stream has ended."""


def _nothing() -> None:
    """There is no tape to end."""


class Recorder:
    """One for each process."""

    def __init__(self, files: RecordingFiles | None, journal: Callable[[Entry], None]) -> None:
        """`files` None: nothing is recorded."""
        self.failures = 0
        self._files = files
        self._journal = journal
        self._machine = "" if files is None else files.machine
        self._recordings = WeakKeyDictionary[LiveCall, list[Recording]]()
        """In the order of their streams."""
        self._due: list[list[Recording]] = [[] for _ in range(TURNS)]
        self._next_turn = 0
        self._ending: list[Recording] = []
        """Their streams are over, and what is left of them is not written yet."""
        self._wanted = asyncio.Event()
        self._stuck = False
        self._task: asyncio.Task[None] | None = None
        self._thread: ThreadPoolExecutor | None = None

    async def stop(self) -> None:
        """Write what there is."""
        left = [one for turn in self._due for one in turn]
        self._end(left)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                for one in left:
                    await one.written.wait()
        if self._task is not None and self._thread is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._thread.shutdown(wait=False, cancel_futures=True)
            self._task = self._thread = None

    def record(self, live: LiveCall, leg: StreamLeg) -> Overheard:
        """A media stream is here; what is to be used in place of the leg and its callback, overheard if it is
        recorded."""
        part = live.recorded_part
        if part is None or self._files is None or self._stuck:
            return Overheard(leg, live.phone_texts, _nothing)
        tape = Tape(live.call_id, part, dt.datetime.now(dt.UTC))
        recording = Recording(tape, live.answered_at or tape.started_at)
        self._recordings.setdefault(live, []).append(recording)
        min(self._due, key=len).append(recording)
        self._start()
        self._journal(RecordingEntry(live.call_id, part, tape.started_at, self._machine))
        self._tell(recording, "recording.started", {"part": part})
        over = partial(self._end, [recording])
        return Overheard(TapedLeg(leg, tape), tape.listening(live.phone_texts), over)

    async def finish(self, live: LiveCall, *, timeout_s: float = 2.0) -> None:
        """The call is over: what is left of it is written now, and the operator is told."""
        recordings = self._recordings.pop(live, [])
        self._end(recordings)
        try:
            async with asyncio.timeout(timeout_s):
                for one in recordings:
                    await one.written.wait()
        except TimeoutError:
            log.warning("recording_slow_to_end", call_id=live.call_id)
        if any(one.size for one in recordings):
            first, last = recordings[0], recordings[-1]
            apart_s = (last.tape.started_at - first.tape.started_at).total_seconds()
            duration_ms = round((apart_s + last.size / BYTES_PER_SECOND) * 1000)
            self._tell(last, "recording.ready", {"duration_ms": duration_ms})

    def _end(self, recordings: Sequence[Recording]) -> None:
        for one in recordings:
            if not one.tape.over:
                one.tape.over = True
                if not one.written.is_set():
                    self._ending.append(one)

    def _start(self) -> None:
        self._wanted.set()
        if self._task is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="recorder")
            self._task = asyncio.create_task(self._run(), name="recorder")

    async def _run(self) -> None:
        while True:
            if not any(self._due):
                self._wanted.clear()
                await self._wanted.wait()
            await asyncio.sleep(TURN_SECONDS)
            self._next_turn = (self._next_turn + 1) % TURNS
            ending, self._ending = self._ending[:MOST_AT_ONCE], self._ending[MOST_AT_ONCE:]
            going_on = [one for one in self._due[self._next_turn] if not one.tape.over]
            if ending or going_on:
                await self._write([*ending, *going_on])
            if ending or any(one.written.is_set() for one in going_on):
                for turn in self._due:
                    turn[:] = [one for one in turn if not one.written.is_set()]

    async def _write(self, recordings: Sequence[Recording]) -> None:
        pieces = [(one, self._audio(one), one.tape.over) for one in recordings]
        work = asyncio.get_running_loop().run_in_executor(self._thread, self._append, pieces)
        await asyncio.wait([work], timeout=STUCK_SECONDS)
        if not work.done():
            log.error("recordings_given_up", error="the disk does not answer")
            self._stuck = True
            self._give_up()
            await asyncio.wait([work])
            self._stuck = False
        for one, _, over in pieces:
            if over or one.error is not None:
                self._close(one)

    def _audio(self, one: Recording) -> bytes:
        """What is certain since the last time. Decoding is for the event loop: a thread that decodes holds it
        up just as long, and each time that the two take turns costs besides."""
        try:
            one.timeline.passed(one.tape.take())
            return one.timeline.take(over=one.tape.over)
        except Exception as error:
            one.error = type(error).__name__
            return b""

    def _append(self, pieces: Sequence[tuple[Recording, bytes, bool]]) -> None:
        """In the thread."""
        for one, audio, over in pieces:
            try:
                if audio and one.error is None and self._files is not None:
                    one.file = one.file or self._files.open(one.tape.call_id, one.tape.part)
                    one.file.append(audio)
                    one.size += len(audio)
            except OSError as error:
                one.error = error.strerror or type(error).__name__
            except Exception as error:
                one.error = type(error).__name__
            if one.file is not None and (over or one.error is not None):
                with contextlib.suppress(OSError):
                    one.file.close()

    def _close(self, recording: Recording) -> None:
        if recording.written.is_set():
            return
        recording.tape.stop()
        tape = recording.tape
        self._journal(RecordingEntry(tape.call_id, tape.part, tape.started_at, self._machine, recording.size))
        if recording.error is not None:
            self.failures += 1
            log.error("recording_failed", call_id=tape.call_id, error=recording.error)
            self._tell(recording, "recording.failed", {"error": recording.error})
        recording.written.set()

    def _give_up(self) -> None:
        for turn in self._due:
            for one in turn:
                one.error = one.error or "the disk does not answer"
                self._close(one)

    def _tell(self, recording: Recording, type_: str, data: dict[str, object]) -> None:
        tape, now = recording.tape, dt.datetime.now(dt.UTC)
        offset_ms = round((now - recording.answered_at).total_seconds() * 1000)
        self._journal(EventEntry(tape.call_id, now, offset_ms, type_, data, attach_number=tape.part))
