"""Our frames against those of `websockets`, whose protocol without sockets is the judge."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, SERVER, Protocol, Side
from websockets.speedups import apply_mask

from bridge.wire.websocket import (
    Binary,
    Closed,
    Ping,
    Pong,
    Receiver,
    Sender,
    Signal,
    Violation,
    mask_keys,
)

LIMIT = 1_000
PAYLOADS = st.one_of(
    st.binary(max_size=300),
    st.sampled_from([125, 126, 127, LIMIT, LIMIT + 1]).map(lambda size: b"a" * size),
    st.text(max_size=100).map(str.encode),
)
SELDOM = st.sampled_from([False] * 20 + [True])
FRAMES = st.builds(
    Frame,
    opcode=st.sampled_from(Opcode),
    data=PAYLOADS,
    fin=st.booleans(),
    rsv1=SELDOM,
    rsv2=SELDOM,
    rsv3=SELDOM,
)
AND_NO_FRAME = b"\x0f" * 2 * LIMIT
"""Completes whatever was begun, and is none: whether refused at its header or at its end, by then it is."""
SIDES = st.sampled_from([CLIENT, SERVER])


def keys() -> Iterator[bytes]:
    return (number.to_bytes(4) for number in itertools.count(0x01020304))


def receiver(peer: Side, limit: int = LIMIT) -> Receiver:
    return Receiver(masked=peer is CLIENT, mask=apply_mask, max_message_bytes=limit)


def sender(side: Side) -> Sender:
    return Sender(apply_mask, keys() if side is CLIENT else None)


def on_the_wire(frame: Frame, side: Side) -> bytes:
    """Also what `websockets` would refuse to send."""
    head = (frame.fin << 7) | (frame.rsv1 << 6) | (frame.rsv2 << 5) | (frame.rsv3 << 4) | frame.opcode
    return sender(side).frame(head, bytes(frame.data))


class Judge:
    """What `websockets` makes of the same bytes: messages, control frames, and the code it closes with."""

    def __init__(self, peer: Side) -> None:
        self._protocol = Protocol(SERVER if peer is CLIENT else CLIENT, max_size=LIMIT)
        self.texts: list[str] = []
        self.signals: list[Signal] = []
        self._parts: list[bytes] = []
        self._text = False

    def feed(self, data: bytes) -> None:
        if self.over:
            return
        self._protocol.receive_data(data)
        for frame in self._protocol.events_received():
            assert isinstance(frame, Frame)
            self._take(frame)
        if self._protocol.parser_exc is not None and not self.over:
            # It blames a close frame amid fragments; we take it.
            closed, sent = self._protocol.close_rcvd, self._protocol.close_sent
            assert sent is not None
            self.signals.append(Closed(closed.code, closed.reason) if closed else Violation(sent.code, ""))

    @property
    def over(self) -> bool:
        return bool(self.signals) and isinstance(self.signals[-1], Closed | Violation)

    def _take(self, frame: Frame) -> None:
        data = bytes(frame.data)
        if self.over:
            return
        if frame.opcode is Opcode.PING:
            self.signals.append(Ping(data))
        elif frame.opcode is Opcode.PONG:
            self.signals.append(Pong(data))
        elif frame.opcode is Opcode.CLOSE:
            assert self._protocol.close_rcvd is not None
            self.signals.append(Closed(self._protocol.close_rcvd.code, self._protocol.close_rcvd.reason))
        else:
            self._take_data(frame, data)

    def _take_data(self, frame: Frame, data: bytes) -> None:
        if frame.opcode is not Opcode.CONT:
            self._parts, self._text = [], frame.opcode is Opcode.TEXT
        self._parts.append(data)
        if not frame.fin:
            return
        whole = b"".join(self._parts)
        if not self._text:
            self.signals.append(Binary(whole))
            return
        try:
            self.texts.append(whole.decode())
        except UnicodeDecodeError:
            # `websockets` leaves this to whoever reads the frames.
            self.signals.append(Violation(1007, ""))


def judged(stream: bytes, peer: Side) -> tuple[list[str], list[Signal]]:
    judge = Judge(peer)
    judge.feed(stream)
    return judge.texts, judge.signals


def without_words(signals: list[Signal]) -> list[Signal]:
    return [Violation(one.code, "") if isinstance(one, Violation) else one for one in signals]


def received(stream: bytes, peer: Side, cuts: list[int] | None = None) -> tuple[list[str], list[Signal]]:
    ours = receiver(peer)
    texts: list[str] = []
    bounds = [0, *sorted(cuts or []), len(stream)]
    for start, end in itertools.pairwise(bounds):
        texts += ours.feed(stream[start:end])
    return texts, without_words(ours.signals)


@given(st.lists(FRAMES, max_size=8), SIDES)
def test_any_sequence_of_frames_means_what_websockets_says(frames: list[Frame], peer: Side) -> None:
    stream = b"".join(on_the_wire(frame, peer) for frame in frames)
    assert received(stream, peer) == judged(stream, peer)


@given(st.binary(max_size=200), SIDES)
@example(b"\x81\x7f\x80\x00\x00\x00\x00\x00\x00\x00", SERVER)
def test_any_bytes_mean_what_websockets_says(stream: bytes, peer: Side) -> None:
    stream += AND_NO_FRAME
    assert received(stream, peer) == judged(stream, peer)


@given(st.lists(FRAMES, max_size=6), SIDES, st.data())
def test_where_the_network_cuts_changes_nothing(frames: list[Frame], peer: Side, data: st.DataObject) -> None:
    stream = b"".join(on_the_wire(frame, peer) for frame in frames)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=20))
    assert received(stream, peer, cuts) == received(stream, peer)


@pytest.mark.parametrize("peer", [CLIENT, SERVER])
def test_a_usual_frame_may_be_cut_anywhere(peer: Side) -> None:
    """Before its own length is known, too: what is read in one step is only what is all there."""
    stream = on_the_wire(Frame(Opcode.TEXT, b"a" * 200), peer)
    for cut in range(len(stream)):
        assert received(stream, peer, [cut]) == (["a" * 200], [])


@given(st.lists(st.text(max_size=200), max_size=5), SIDES)
def test_what_we_send_is_what_websockets_reads(texts: list[str], side: Side) -> None:
    ours = sender(side)
    stream = b"".join([*(ours.text(text) for text in texts), ours.ping(), ours.pong(b"p"), ours.close(1000)])
    assert judged(stream, side) == (texts, [Ping(b""), Pong(b"p"), Closed(1000, "")])
    assert received(stream, side) == judged(stream, side)


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 200_000])
@pytest.mark.parametrize("side", [CLIENT, SERVER])
def test_every_form_of_length_is_written_and_read(size: int, side: Side) -> None:
    stream = sender(side).text("a" * size)
    assert stream == on_the_wire(Frame(Opcode.TEXT, b"a" * size), side)
    judge = Protocol(SERVER if side is CLIENT else CLIENT)
    judge.receive_data(stream)
    assert [bytes(frame.data) for frame in judge.events_received() if isinstance(frame, Frame)] == [
        b"a" * size
    ]
    ours = receiver(side, size)
    assert [text for at in range(len(stream)) for text in ours.feed(stream[at : at + 1])] == ["a" * size]
    assert received(stream, side)[1] == ([Violation(1009, "")] if size > LIMIT else [])


@pytest.mark.parametrize("code", [*range(990, 1020), 2999, 3000, 4999, 5000, 65_535])
def test_close_codes_are_those_that_may_be_sent(code: int) -> None:
    stream = on_the_wire(Frame(Opcode.CLOSE, code.to_bytes(2)), SERVER)
    assert received(stream, SERVER) == judged(stream, SERVER)


def test_fragments_that_add_up_beyond_the_limit_are_refused_before_they_are_kept() -> None:
    first = on_the_wire(Frame(Opcode.TEXT, b"a" * LIMIT, fin=False), CLIENT)
    header_of_the_next = on_the_wire(Frame(Opcode.CONT, b"a", fin=True), CLIENT)[:2]
    assert received(first + header_of_the_next + bytes(4), CLIENT) == ([], [Violation(1009, "")])


def test_a_huge_message_is_refused_at_its_header() -> None:
    """Nothing of it is waited for, so nothing of it is kept."""
    assert received(b"\x81\x7f" + (2**62).to_bytes(8), SERVER) == ([], [Violation(1009, "")])


def test_a_key_is_never_used_twice_in_a_row_of_pools() -> None:
    numbers = itertools.count()

    def random(size: int) -> bytes:
        return b"".join(next(numbers).to_bytes(4) for _ in range(size // 4))

    drawn = list(itertools.islice(mask_keys(random, pool_bytes=16), 10))
    assert drawn == [number.to_bytes(4) for number in range(10)]
