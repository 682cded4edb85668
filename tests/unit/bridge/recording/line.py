"""A call on the simulator's own model of Twilio's buffer, with a network in between: what passed our end, and
what was really said and heard."""

from __future__ import annotations

import base64
import datetime as dt
import json
import random
import re
from collections import deque
from collections.abc import Iterator, Sequence

from bridge.recording.passed import Passed
from bridge.runtime.tape import Tape
from simulator.network.playout import FRAME_BYTES, Playout

Item = str | list[str]
"""A text that we sent, or all that came at once."""


class LineOfACall:
    """Time goes by in frames of 20 ms; a message takes `delay` of them each way."""

    def __init__(self, *, delay: int = 1, seed: int = 0) -> None:
        self.playout = Playout()
        self.tape: list[Item] = []
        self.said = bytearray(b"\xff" * FRAME_BYTES)
        """In stream time: the first frame's timestamp is 20."""
        self.heard = bytearray(b"\xff" * FRAME_BYTES)
        self.spoken = bytearray()
        """All that the agent sent."""
        self.pieces: list[tuple[int, int]] = []
        """Where in it each piece begins and ends."""
        self._delay = delay
        self._chance = random.Random(seed)
        self._to_us: deque[tuple[int, str]] = deque()
        self._to_twilio: deque[tuple[int, str]] = deque()
        self._step = 0
        self._marks = 0
        self._pending: deque[str] = deque()
        self._flush_mark = ""

    def step(self, count: int = 1) -> None:
        for _ in range(count):
            self._step += 1
            self._reach_twilio()
            frame, marks = self.playout.step()
            mouth = self._sound(FRAME_BYTES)
            self.said += mouth
            self.heard += frame
            self._from_twilio(media(mouth, self.playout.stream_ms))
            self._echo(marks)
            self._reach_us()

    def say(self, ms: int) -> bytes:
        """The agent's audio, with marks as the call sends them."""
        audio = self._sound(ms * 8)
        self.pieces.append((len(self.spoken), len(self.spoken) + len(audio)))
        self.spoken += audio
        if not self._pending:
            self._send_mark()
        self._send({"event": "media", "streamSid": "MZ1", "media": {"payload": _encoded(audio)}})
        self._send_mark()
        return audio

    def interrupt(self) -> None:
        if self._pending and not self._flush_mark:
            self._send({"event": "clear", "streamSid": "MZ1"})
            self._pending.clear()
            self._send_mark()
            self._flush_mark = self._pending.pop()

    def played_pieces(self) -> Iterator[tuple[int, bytes]]:
        """What was really heard of each piece, and from where in the stream on."""
        for span in self.playout.played:
            for begin, end in self.pieces:
                first, last = max(begin, span.offset), min(end, span.offset + span.length)
                if first < last:
                    yield span.stream_ms * 8 + first - span.offset, bytes(self.spoken[first:last])

    def _sound(self, size: int) -> bytes:
        return self._chance.randbytes(size).replace(b"\xff", b"\x00")

    def _send_mark(self) -> None:
        self._marks += 1
        self._pending.append(str(self._marks))
        self._send({"event": "mark", "streamSid": "MZ1", "mark": {"name": str(self._marks)}})

    def _send(self, message: dict[str, object]) -> None:
        text = json.dumps(message, separators=(",", ":"))
        self.tape.append(text)
        self._to_twilio.append((self._step + self._delay, text))

    def _reach_twilio(self) -> None:
        while self._to_twilio and self._to_twilio[0][0] <= self._step:
            message = json.loads(self._to_twilio.popleft()[1])
            match message["event"]:
                case "media":
                    self.playout.media(base64.b64decode(message["media"]["payload"]))
                case "mark":
                    self._echo(self.playout.mark(message["mark"]["name"]))
                case _:
                    self._echo(self.playout.clear())

    def _echo(self, names: list[str]) -> None:
        for name in names:
            self._from_twilio(json.dumps({"event": "mark", "streamSid": "MZ1", "mark": {"name": name}}))

    def _from_twilio(self, text: str) -> None:
        self._to_us.append((self._step + self._delay, text))

    def _reach_us(self) -> None:
        texts: list[str] = []
        while self._to_us and self._to_us[0][0] <= self._step:
            texts.append(self._to_us.popleft()[1])
        if texts:
            self.tape.append(texts)
        for text in texts:
            message = json.loads(text)
            if message["event"] == "mark":
                self._mark_is_back(message["mark"]["name"])

    def _mark_is_back(self, name: str) -> None:
        if name == self._flush_mark:
            self._flush_mark = ""
        while name in self._pending:
            self._pending.popleft()


def passed(items: Sequence[Item]) -> Passed:
    """As the tape has it."""
    tape = Tape("call_1", 1, dt.datetime.now(dt.UTC))
    listening = tape.listening(lambda _: None)
    for item in items:
        if isinstance(item, str):
            tape.sent(item.encode())
            continue
        for text in item:
            found = USUAL.search(text)
            if found:
                tape.heard(text.encode(), found[1].encode())
            else:
                listening([text])
    return tape.take()


USUAL = re.compile(r'^{"event":"media".*"payload":"([^"\\]{214}==)"')
"""As the splice knows them."""


def media(audio: bytes, at_ms: int) -> str:
    """As Twilio writes it."""
    return (
        '{"event":"media","sequenceNumber":"3","media":{"track":"inbound","chunk":"1",'
        f'"timestamp":"{at_ms}","payload":"{_encoded(audio)}"}},"streamSid":"MZ1"}}'
    )


def _encoded(audio: bytes) -> str:
    return base64.b64encode(audio).decode()
