"""The short way of a caller's frame does what the long one does, or nothing."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.speedups import apply_mask

from bridge.call.agent import AgentConfig
from bridge.call.agent_line import AgentLine
from bridge.call.caller_line import CallerLine
from bridge.call.speaking import Speaking
from bridge.engines.openai_realtime.session import RealtimeSession
from bridge.recording.passed import Passed
from bridge.runtime.caller_splice import CallerSplice
from bridge.runtime.legs import Lines
from bridge.runtime.model_leg import ModelSocket
from bridge.runtime.phone_leg import PhoneSocket
from bridge.runtime.tape import Tape
from bridge.wire.websocket import Receiver, Sender, mask_keys

LIMIT = 1024 * 1024


class Model:
    """A socket of the model's, which reads what is written."""

    def __init__(self) -> None:
        self.paused = self.closing = False
        self._receiver = Receiver(masked=True, mask=apply_mask, max_message_bytes=LIMIT)
        self.heard: list[str] = []
        self.writes = 0

    def write(self, frame: bytes) -> None:
        self.writes += 1
        self.heard += self._receiver.feed(frame)


def open_line() -> CallerLine:
    line = CallerLine(RealtimeSession(AgentConfig(name="Reception", prompt="Be brief.")))
    line.open()
    line.new_stream()
    return line


def media(audio: bytes = bytes(range(160)), *, timestamp: str = "24660", **more: object) -> str:
    payload = base64.b64encode(audio).decode()
    body = {"track": "inbound", "chunk": "1233", "timestamp": timestamp, "payload": payload}
    return json.dumps({"event": "media", "sequenceNumber": "7", "media": body} | more, separators=(",", ":"))


def framed(*texts: str) -> bytes:
    sender = Sender(apply_mask, mask_keys(lambda count: bytes(range(256)) * (count // 256)))
    return b"".join(map(sender.text, texts))


def state(line: CallerLine) -> tuple[list[bytes], int, int]:
    return line.recent.frames(), line.sent_ms, line.stream_ms


@given(st.lists(st.tuples(st.binary(min_size=160, max_size=160), st.integers(0, 10**9)), max_size=5))
def test_what_the_model_hears_is_the_same_and_so_is_what_is_known_of_it(frames: list[tuple[bytes, int]]):
    model, spliced, usual = Model(), open_line(), open_line()
    splice = CallerSplice(spliced, model)
    texts = [media(audio, timestamp=str(ms)) for audio, ms in frames]
    for text in texts:
        frame = framed(text)
        assert splice.take(frame) == len(frame)
    assert model.heard == [usual.frame(text) for text in texts]
    assert state(spliced) == state(usual)


UNUSUAL = {
    "nothing": b"",
    "half a head": framed(media())[:5],
    "half a frame": framed(media())[:200],
    "not masked": Sender(apply_mask).text(media()),
    "a fragment": bytes([0x01]) + framed(media())[1:],
    "binary": bytes([0x82]) + framed(media())[1:],
    "another message": framed(json.dumps({"event": "mark", "mark": {"name": "1" * 200}})),
    "media later in the text": framed(json.dumps({"streamSid": "MZ1", **json.loads(media())})),
    "30 ms of audio": framed(media(bytes(240))),
    "161 bytes of audio": framed(media(bytes(161))),
    "no audio": framed(media(b"", note="x" * 200)),
    "no payload": framed('{"event":"media","media":{}' + " " * 200 + "}"),
    "audio that ends the message": framed('{"event":"media","payload":"' + "A" * 200),
    "an escape in the audio": framed(media().replace("AAEC", "\\u00", 1)),
    "what is not ASCII": framed(media(note="é")[:-1].replace("\\u00e9", "é") + "}"),
}


@pytest.mark.parametrize("kind", UNUSUAL)
def test_what_is_not_as_it_always_is_goes_the_long_way(kind: str):
    model, line = Model(), open_line()
    line.frame(media())
    before = state(line)
    assert not CallerSplice(line, model).take(UNUSUAL[kind])
    assert (model.heard, state(line)) == ([], before)


MARK = json.dumps({"event": "mark", "streamSid": "MZ1", "mark": {"name": "7"}})


@pytest.mark.parametrize("behind", [b"", framed(MARK), framed(media())[:200], framed(MARK, media())])
@pytest.mark.parametrize("frames", [1, 2, 3])
def test_of_one_read_what_stands_before_anything_unusual_goes_the_short_way(frames: int, behind: bytes):
    model, spliced, usual = Model(), open_line(), open_line()
    texts = [media(bytes([number]) * 160, timestamp=str(20 * number)) for number in range(frames)]
    assert CallerSplice(spliced, model).take(framed(*texts) + behind) == len(framed(*texts))
    assert model.heard == [usual.frame(text) for text in texts]
    assert model.writes == 1, "the sends of one wake-up are joined"
    assert state(spliced) == state(usual)


@given(st.binary(max_size=400))
def test_nothing_that_comes_can_break_it(noise: bytes):
    model, line = Model(), open_line()
    CallerSplice(line, model).take(noise)
    CallerSplice(line, model).take(framed(media())[:8] + noise)


@pytest.mark.parametrize("why", ["the line is not open", "the model does not read", "its socket closes"])
def test_what_may_not_be_written_now_goes_the_long_way(why: str):
    model, line = Model(), open_line()
    splice = CallerSplice(line, model)
    assert splice.take(framed(media()))
    if why == "the line is not open":
        line.lost()
    model.paused = why == "the model does not read"
    model.closing = why == "its socket closes"
    assert not splice.take(framed(media()))
    assert len(model.heard) == 1


def test_what_goes_through_is_overheard():
    tape = Tape("call_1", 1, dt.datetime.now(dt.UTC))
    splice = CallerSplice(open_line(), Model(), tape)
    splice.take(framed(media()))
    assert tape.take() == Passed([media().encode()], [base64.b64encode(bytes(range(160)))], [])


class Wire(asyncio.Transport):
    """What is written, as the peer reads it."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()

    def write(self, data: object) -> None:
        assert isinstance(data, bytes)
        self.model.write(data)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...
    def resume_reading(self) -> None: ...
    def abort(self) -> None: ...


def lines(caller: CallerLine) -> Lines:
    return Lines(caller, AgentLine(Speaking(), RealtimeSession.speech_shape))


@given(st.lists(st.integers(1, 900), min_size=1, max_size=40))
def test_where_the_network_cuts_changes_nothing(cuts: list[int]):
    """Some frames go the short way, some the long one; their order stays."""
    texts = [media(bytes([number]) * 160, timestamp=str(20 * number)) for number in range(20)]
    stream = framed(*texts)

    async def heard() -> list[str]:
        phone, model, wire, line = PhoneSocket(), ModelSocket(), Wire(), open_line()
        phone.connection_made(Wire())
        model.connection_made(wire)

        def long_way(texts: list[str]) -> None:
            for text in texts:
                model.send(line.frame(text) or "")
            model.flush()

        phone.attach(long_way)
        phone.join(lines(line), model)
        at = 0
        for cut in [*cuts, len(stream)]:
            if at < len(stream):
                phone.data_received(stream[at : at + cut])
            at += cut
        phone.connection_lost(None)
        model.connection_lost(None)
        return wire.model.heard

    usual = open_line()
    assert asyncio.run(heard()) == [usual.frame(text) for text in texts]


async def test_a_leg_that_is_left_takes_nothing_more():
    phone, model, wire = PhoneSocket(), ModelSocket(), Wire()
    phone.connection_made(Wire())
    model.connection_made(wire)
    phone.attach(lambda texts: None)
    phone.join(lines(open_line()), model)
    phone.data_received(framed(media()))
    phone.join(lines(open_line()), None)
    phone.data_received(framed(media()))
    phone.join(lines(open_line()), model)
    phone.close()
    phone.data_received(framed(media()))
    phone.join(lines(open_line()), model)
    phone.data_received(framed(media()))
    assert len(wire.model.heard) == 1
    phone.connection_lost(None)
    model.connection_lost(None)
