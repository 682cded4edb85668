"""`python -m bench.micro`: what the bridge does with one frame, without sockets, as a ratio.

The unit is what Python's own `json.loads` takes for one of Twilio's media messages on the same machine in the
same moment, so that figures can be compared between machines and hold on a busy one.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, SERVER, Protocol
from websockets.speedups import apply_mask

from bridge.call.agent import AgentConfig, AgentSnapshot
from bridge.call.call import Call
from bridge.call.events import MarkReturned, ModelOpened, ModelSaid, StreamStarted
from bridge.engines.openai_realtime.session import RealtimeSession
from bridge.recording.passed import Passed
from bridge.recording.timeline import Timeline
from bridge.runtime.agent_splice import AgentSplice
from bridge.runtime.caller_splice import CallerSplice
from bridge.runtime.tape import Tape
from bridge.wire import twilio
from bridge.wire.websocket import Receiver, Sender, mask_keys
from recordings.files import RecordingFiles

FRAMES = 400
ROUNDS = 15

MEDIA = json.dumps(
    {
        "event": "media",
        "sequenceNumber": "1234",
        "media": {
            "track": "inbound",
            "chunk": "1233",
            "timestamp": "24660",
            "payload": base64.b64encode(bytes(range(160))).decode(),
        },
        "streamSid": "MZ" + "1" * 32,
    },
    separators=(",", ":"),
)
DELTA_MS = 400
DELTA = json.dumps(
    {
        "type": "response.output_audio.delta",
        "event_id": "event_1",
        "response_id": "resp_1",
        "item_id": "item_1",
        "output_index": 0,
        "content_index": 0,
        "delta": base64.b64encode(bytes(8 * DELTA_MS)).decode(),
    },
    separators=(",", ":"),
)
SESSION_UPDATED = json.dumps(
    {
        "type": "session.updated",
        "session": {
            "audio": {
                "input": {"format": {"type": "audio/pcmu"}},
                "output": {"format": {"type": "audio/pcmu"}},
            }
        },
    }
)
LIMIT = 1024 * 1024


def live_call() -> Call:
    config = AgentConfig(name="Bench", prompt="Be brief.")
    call = Call(AgentSnapshot(agent_id="agent_1", version=1, config=config), lambda: RealtimeSession(config))
    for event in (StreamStarted("MZ" + "1" * 32), ModelOpened(), ModelSaid([SESSION_UPDATED])):
        call.handle(event, 0.0)
    return call


class Wire:
    """Takes what is written, and keeps nothing."""

    paused = closing = False

    def write(self, _frame: bytes) -> None:
        pass


def caller_frame() -> Callable[[], None]:
    """Bytes of the media socket in, bytes for the model out, in one step."""
    take = CallerSplice(live_call().line, Wire()).take
    frame = Sender(apply_mask, mask_keys(os.urandom)).text(MEDIA)

    def once() -> None:
        taken = take(frame)
        assert taken  # noqa: S101 (or there would be nothing to measure)

    return once


def caller_frame_as_messages() -> Callable[[], None]:
    """The same the usual way: read, taken in by the call, framed again."""
    phone = Receiver(masked=True, mask=apply_mask, max_message_bytes=LIMIT)
    model = Sender(apply_mask, mask_keys(os.urandom))
    call = live_call()
    frame = Sender(apply_mask, mask_keys(os.urandom)).text(MEDIA)

    def once() -> None:
        for text in phone.feed(frame):
            appended = call.caller_audio(text)
            assert appended  # noqa: S101 (or there would be nothing to measure)
            model.text(appended)

    return once


def agent_delta() -> Callable[[], None]:
    """400 ms of speech: bytes of the model in, `media` and `mark` for the phone out in one step, the mark of
    the piece before back."""
    call = live_call()
    take = AgentSplice(call.agent_line, Wire()).take
    frame = Sender(apply_mask).text(DELTA)
    marks = len(call.agent_audio(DELTA, 1.0) or []) - 1
    call.first_audio_written(1.0)

    def once() -> None:
        nonlocal marks
        taken = take(frame)
        assert taken  # noqa: S101 (or there would be nothing to measure)
        passed = call.mark_passed(str(marks - 1))
        assert passed  # noqa: S101 (likewise)
        marks += 1

    return once


def agent_delta_as_messages() -> Callable[[], None]:
    """The same the usual way: read, taken in by the call, framed again, all of it heard before the next."""
    model = Receiver(masked=False, mask=apply_mask, max_message_bytes=LIMIT)
    phone = Sender(apply_mask)
    call = live_call()
    frame = Sender(apply_mask).text(DELTA)
    marks = 0

    def once() -> None:
        nonlocal marks
        for text in model.feed(frame):
            frames = call.agent_audio(text, 1.0) or []
            if call.first_audio_pending:
                call.first_audio_written(1.0)
            b"".join([phone.text(frame) for frame in frames])
            marks += len(frames) - 1
            if not call.mark_passed(str(marks)):
                call.handle(MarkReturned(str(marks)), 1.0)

    return once


def reference() -> Callable[[], None]:
    def once() -> None:
        json.loads(MEDIA)

    return once


def caller_audio() -> Callable[[], None]:
    call = live_call()

    def once() -> None:
        call.caller_audio(MEDIA)

    return once


def typed() -> Callable[[], None]:
    """The same by decoding, as it is done for a message that is not as Twilio writes them."""
    prefix, suffix = RealtimeSession.append_prefix, RealtimeSession.append_suffix

    def once() -> None:
        message = twilio.decode(MEDIA)
        assert isinstance(message, twilio.Media)  # noqa: S101 (for the type)
        _ = prefix + message.media.payload + suffix

    return once


def by_json() -> Callable[[], None]:
    def once() -> None:
        payload = json.loads(MEDIA)["media"]["payload"]
        json.dumps({"type": "input_audio_buffer.append", "audio": payload})

    return once


def in_bytes() -> Callable[[], None]:
    """Spliced without a detour over `str`: what that would save of `caller_frame`."""
    message = MEDIA.encode()
    prefix, suffix = RealtimeSession.append_prefix.encode(), RealtimeSession.append_suffix.encode()

    def once() -> None:
        if message.isascii() and message.startswith(b'{"event":"media"'):
            start = message.find(b'"payload":"') + 11
            end = message.find(b'"', start)
            if message.find(b"\\", start, end) < 0:
                _ = prefix + message[start:end] + suffix

    return once


def in_text() -> Callable[[], None]:
    """The same over `str`, to compare with."""
    message = MEDIA.encode()
    prefix, suffix = RealtimeSession.append_prefix, RealtimeSession.append_suffix

    def once() -> None:
        payload = twilio.media_payload(message.decode())
        assert payload  # noqa: S101 (for the type)
        _ = (prefix + payload + suffix).encode()

    return once


def framing() -> Callable[[], None]:
    """One masked frame read and one written."""
    receiver = Receiver(masked=True, mask=apply_mask, max_message_bytes=LIMIT)
    sender = Sender(apply_mask, mask_keys(os.urandom))
    frame = sender.text(MEDIA)

    def once() -> None:
        for text in receiver.feed(frame):
            sender.text(text)

    return once


def framing_by_websockets() -> Callable[[], None]:
    """The same by `websockets`' protocol without sockets."""
    receiver, sender = Protocol(SERVER), Protocol(CLIENT)
    frame = Frame(Opcode.TEXT, MEDIA.encode()).serialize(mask=True)

    def once() -> None:
        receiver.receive_data(frame)
        for event in receiver.events_received():
            assert isinstance(event, Frame)  # noqa: S101 (for the type)
            sender.send_text(event.data)
            sender.data_to_send()

    return once


def keys_from_a_pool() -> Callable[[], None]:
    keys = mask_keys(os.urandom)

    def once() -> None:
        next(keys)

    return once


def keys_one_by_one() -> Callable[[], None]:
    def once() -> None:
        os.urandom(4)

    return once


FRAMES_A_SECOND = 50


def second_of_a_call(tape: Tape) -> Callable[[], Passed]:
    """Frames that come, one a read, and two pieces of the agent's audio that go, their marks back."""
    frames = [MEDIA.replace("24660", str(20 * number)).encode() for number in range(FRAMES_A_SECOND)]
    payload = json.loads(MEDIA)["media"]["payload"].encode()
    outgoing = twilio.Outgoing("MZ" + "1" * 32)
    delta = outgoing.media(base64.b64encode(bytes(8 * DELTA_MS)).decode())
    marks = [outgoing.mark(str(number)) for number in range(3)]
    overheard = tape.listening(lambda texts: None)

    def once() -> Passed:
        for sent in (marks[0], delta, marks[1], delta, marks[2]):
            tape.sent(sent.encode())
        for number, frame in enumerate(frames):
            tape.heard(frame, payload)
            if number % 20 == 0:
                overheard([marks[number // 20]])
        return tape.take()

    return once


def overheard() -> Callable[[], None]:
    """What the audio path sees of a second that is recorded."""
    second = second_of_a_call(Tape("call_1", 1, dt.datetime.now(dt.UTC)))

    def once() -> None:
        second()

    return once


def recorded() -> Callable[[], None]:
    """All of it: overheard, decoded, laid on its time, and appended to a file."""
    second = second_of_a_call(Tape("call_1", 1, dt.datetime.now(dt.UTC)))
    folder = tempfile.TemporaryDirectory(prefix="callbridge-micro-")
    file = RecordingFiles(Path(folder.name)).open("call_1", 1)

    def once() -> None:
        timeline = Timeline()
        timeline.passed(second())
        file.append(timeline.take(over=True))
        assert folder  # noqa: S101 (it is kept as long as this)

    return once


ALL: dict[str, Callable[[], Callable[[], None]]] = {
    "caller frame, bytes to bytes": caller_frame,
    "  the same as messages": caller_frame_as_messages,
    "  Call.caller_audio": caller_audio,
    "  the same by typed decoding": typed,
    "  the same by json": by_json,
    "  a frame read and one written": framing,
    "  the same by websockets": framing_by_websockets,
    "  splice over text": in_text,
    "  splice in bytes": in_bytes,
    "  mask key from the pool": keys_from_a_pool,
    "  mask key by os.urandom": keys_one_by_one,
    "agent delta of 400 ms, bytes to bytes, mark back": agent_delta,
    "  that as messages": agent_delta_as_messages,
    "a second of a call, recorded": recorded,
    "  overheard on the audio path": overheard,
}


def seconds(once: Callable[[], None]) -> float:
    began = time.process_time()
    for _ in range(FRAMES):
        once()
    return (time.process_time() - began) / FRAMES


def measure(*kinds: str, rounds: int = ROUNDS) -> dict[str, float]:
    """How many units each takes: the best of rounds that take turns with the unit itself."""
    work = {kind: ALL[kind]() for kind in kinds}
    unit_work = reference()
    best = dict.fromkeys(work, float("inf"))
    unit = float("inf")
    for _ in range(rounds):
        unit = min(unit, seconds(unit_work))
        for kind, once in work.items():
            best[kind] = min(best[kind], seconds(once))
    return {kind: best[kind] / unit for kind in kinds}


def main() -> None:
    for kind, units in measure(*ALL).items():
        print(f"{kind:<50} {units:6.2f}")


if __name__ == "__main__":
    main()
