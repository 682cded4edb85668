"""Tapes become files within a second, and nothing that the disk does disturbs a call."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import gc
import os
import signal
import sys
import weakref
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from bridge.runtime.counters import Counters
from bridge.runtime.live_call import LiveCall
from bridge.runtime.recorder import TURN_SECONDS, TURNS, Recorder
from database.journal import Entry, EventEntry
from database.recordings import RecordingEntry
from recordings.files import RecordingFile, RecordingFiles
from tests.unit.bridge.recording.line import LineOfACall


class SilentLeg:
    dropped = 0
    malformed = 0
    silent = False

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, text: str) -> None:
        self.sent.append(text)

    def flush(self) -> None: ...
    def close(self, code: int = 1000) -> None: ...
    def join(self, *_: object, **__: object) -> None: ...


class DeafCall:
    """Takes everything in and wants nothing."""

    deadline = None
    first_audio_pending = False

    def __getattr__(self, name: str) -> object:
        return lambda *_: ""


class FullDisk(RecordingFiles):
    def open(self, call_id: str, part: int) -> RecordingFile:
        raise OSError(28, "No space left on device")


def live_call(part: int | None = 1) -> LiveCall:
    live = LiveCall(
        "call_1",
        DeafCall(),  # pyright: ignore[reportArgumentType] (whatever it is asked)
        journal=lambda _: None,
        counters=Counters(),
        deeds=DeafCall(),  # pyright: ignore[reportArgumentType] (nothing is asked of it)
    )
    live.recorded_part = part
    live.answered_at = dt.datetime.now(dt.UTC)
    return live


class Room:
    """A recorder with what it has told."""

    def __init__(self, files: RecordingFiles) -> None:
        self.told: list[Entry] = []
        self.failed = asyncio.Event()
        self.recorder = Recorder(files, self._hear)

    def _hear(self, entry: Entry) -> None:
        self.told.append(entry)
        if "recording.failed" in self.events:
            self.failed.set()

    @property
    def events(self) -> list[str]:
        return [entry.type for entry in self.told if isinstance(entry, EventEntry)]

    def pass_by(self, live: LiveCall, line: LineOfACall) -> contextlib.AbstractContextManager[None]:
        """The whole of a line's messages, in a media stream that lasts as long as the block."""

        @contextlib.contextmanager
        def stream():
            leg, on_texts, over = self.recorder.record(live, SilentLeg())
            for item in line.tape:
                if isinstance(item, str):
                    leg.send(item)
                else:
                    on_texts(list(item))
            yield
            over()

        return stream()


@pytest.fixture
def files(tmp_path: Path) -> RecordingFiles:
    return RecordingFiles(tmp_path, machine="this-machine")


@pytest.fixture
async def room(files: RecordingFiles) -> AsyncGenerator[Room]:
    room = Room(files)
    yield room
    await room.recorder.stop()


def talk() -> LineOfACall:
    line = LineOfACall(delay=0)
    line.step(10)
    line.say(1000)
    line.step(100)
    return line


async def test_a_finished_call_is_a_file_and_has_been_told_of(room: Room, files: RecordingFiles):
    live, line = live_call(), talk()
    with room.pass_by(live, line):
        pass
    await room.recorder.finish(live)
    size = files.size("call_1", 1) or 0
    both = files.read("call_1", 1, 0, size)
    assert (both[::2], both[1::2]) == (bytes(line.said), bytes(line.heard))
    parts = [entry for entry in room.told if isinstance(entry, RecordingEntry)]
    assert [part.size for part in parts] == [None, size]
    assert room.events == ["recording.started", "recording.ready"]
    ready = room.told[-1]
    assert isinstance(ready, EventEntry) and ready.data == {"duration_ms": size // 16}


async def test_each_stream_of_a_call_is_a_part_of_one_recording(room: Room, files: RecordingFiles):
    live = live_call(part=1)
    with room.pass_by(live, talk()):
        pass
    live.recorded_part = 2
    with room.pass_by(live, talk()):
        pass
    await room.recorder.finish(live)
    assert files.size("call_1", 1) == files.size("call_1", 2)
    assert files.size("call_1", 2)
    assert room.events == ["recording.started", "recording.started", "recording.ready"]


async def test_a_call_whose_agent_does_not_record_leaves_no_file(room: Room, files: RecordingFiles):
    live, leg = live_call(part=None), SilentLeg()
    given, on_texts, over = room.recorder.record(live, leg)
    assert (given, on_texts) == (leg, live.phone_texts)
    over()
    await room.recorder.finish(live)
    assert (room.told, files.size("call_1", 1)) == ([], None)


async def test_a_full_disk_ends_the_recording_and_not_the_call(tmp_path: Path):
    room, live = Room(FullDisk(tmp_path)), live_call()
    leg = SilentLeg()
    given, on_texts, over = room.recorder.record(live, leg)
    on_texts(["text"])
    for item in talk().tape:
        if not isinstance(item, str):
            on_texts(list(item))
    await room.failed.wait()
    given.send("after it")
    on_texts(["more"])
    over()
    await room.recorder.finish(live)
    assert leg.sent == ["after it"]
    assert room.events == ["recording.started", "recording.failed"]
    assert room.recorder.failures == 1
    await room.recorder.stop()


CRASHING = """
import asyncio, sys
from pathlib import Path
from recordings.files import RecordingFile, RecordingFiles
from tests.unit.bridge.recording.line import LineOfACall
from tests.unit.bridge.runtime.test_recorder import Room, SilentLeg, live_call

async def main():
    room, line = Room(RecordingFiles(Path(sys.argv[1]))), LineOfACall(delay=0)
    _, on_texts, _ = room.recorder.record(live_call(), SilentLeg())
    said = 0
    while True:
        line.step()
        for item in line.tape:
            on_texts(list(item))
        line.tape.clear()
        said += 1
        print(said, flush=True)
        await asyncio.sleep(0.02)

asyncio.run(main())
"""


async def test_a_process_that_is_killed_loses_no_more_than_a_second(tmp_path: Path, files: RecordingFiles):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CRASHING, str(tmp_path), stdout=asyncio.subprocess.PIPE, env=dict(os.environ)
    )
    assert process.stdout is not None
    said = 0
    while said < 150:
        said = int(await process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    await process.wait()
    rest = (await process.stdout.read()).split()
    said = int(rest[-1]) if rest else said
    recorded_s = (files.size("call_1", 1) or 0) / 16_000
    kept_back_s = 0.2 + TURNS * TURN_SECONDS
    assert kept_back_s <= 1.0
    assert recorded_s >= said * 0.02 - kept_back_s - 0.5, "half a second for a busy machine"


async def test_a_call_that_another_process_took_leaves_nothing_behind(room: Room):
    """Nobody says that it is over here; it goes when the call does."""
    live = live_call()
    with room.pass_by(live, talk()):
        pass
    gone = weakref.ref(live)
    del live
    gc.collect()
    assert gone() is None
