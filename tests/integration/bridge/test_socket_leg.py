"""A leg on a real socket, on asyncio's loop and on uvloop: slow, silent and rude peers, and how it closes."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
import uvloop
from websockets.speedups import apply_mask

from bridge.runtime import socket_leg
from bridge.runtime.socket_leg import EARLY_MESSAGES, SILENT_BEATS, WRITE_BUFFER_BYTES, SocketLeg
from bridge.wire.websocket import Closed, Ping, Receiver, Sender, Signal

MAX_AUDIO_BYTES = 200_000
AUDIO = "audio " + "x" * 994
NO_BEAT = 60.0

Loop = Callable[[], asyncio.AbstractEventLoop]
pytestmark = pytest.mark.parametrize(
    "loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)


class Peer(asyncio.Protocol):
    """Whoever is at the other end. `answers`: as a well-behaved one does."""

    def __init__(self, *, answers: bool = True) -> None:
        self._answers = answers
        self._receiver = Receiver(masked=False, mask=apply_mask, max_message_bytes=2**24)
        self._sender = Sender(apply_mask, iter(lambda: b"\x01\x02\x03\x04", b""))
        self._changed = asyncio.Event()
        self.transport: asyncio.Transport
        self.texts: list[str] = []
        self.signals: list[Signal] = []
        self.gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.texts += self._receiver.feed(data)
        if self._answers:
            for signal in self._receiver.signals[len(self.signals) :]:
                if isinstance(signal, Ping):
                    self.transport.write(self._sender.pong(signal.payload))
                elif isinstance(signal, Closed):
                    self.transport.write(self._sender.close(signal.code))
        self.signals = list(self._receiver.signals)
        self._changed.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        self._changed.set()

    def say(self, *texts: str) -> None:
        self.transport.write(b"".join(map(self._sender.text, texts)))

    def close(self, code: int) -> None:
        self.transport.write(self._sender.close(code))

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not true():
                self._changed.clear()
                await self._changed.wait()


class Heard:
    """What a call would be told."""

    def __init__(self) -> None:
        self.reads: list[list[str]] = []
        self.closed: list[tuple[int, str]] = []
        self.changed = asyncio.Event()

    def on_texts(self, texts: list[str]) -> None:
        self.reads.append(texts)
        self.changed.set()

    def on_closed(self, code: int, reason: str) -> None:
        self.closed.append((code, reason))
        self.changed.set()

    @property
    def texts(self) -> list[str]:
        return [text for texts in self.reads for text in texts]

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not true():
                self.changed.clear()
                await self.changed.wait()


class Wire:
    """Legs with a peer each, without the handshake."""

    def __init__(self, legs: asyncio.Queue[SocketLeg]) -> None:
        self.address: tuple[str, int]
        self.beat_seconds = NO_BEAT
        self._legs = legs
        self._pairs: list[tuple[SocketLeg, Peer]] = []

    async def pair(self, *, answers: bool = True, beat_seconds: float = NO_BEAT) -> tuple[SocketLeg, Peer]:
        self.beat_seconds = beat_seconds
        end = socket.socket()
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        end.setblocking(False)
        running = asyncio.get_running_loop()
        await running.sock_connect(end, self.address)
        _, peer = await running.create_connection(lambda: Peer(answers=answers), sock=end)
        leg = await self._legs.get()
        self._pairs.append((leg, peer))
        return leg, peer

    async def cut(self) -> None:
        for leg, peer in self._pairs:
            peer.transport.abort()
            leg.abort()
            await peer.until(lambda peer=peer: peer.gone)
            await leg.wait_closed()


async def on_a_wire(loop: Loop, story: Callable[[Wire], Awaitable[None]]) -> None:
    """On a loop of its own, in a thread of its own."""

    async def main() -> None:
        legs: asyncio.Queue[SocketLeg] = asyncio.Queue()

        wire = Wire(legs)

        def new_leg() -> SocketLeg:
            leg = SocketLeg(
                client=False,
                audio_prefix="audio",
                max_audio_bytes=MAX_AUDIO_BYTES,
                max_message_bytes=10_000,
                beat_seconds=wire.beat_seconds,
            )
            legs.put_nowait(leg)
            return leg

        server = await asyncio.get_running_loop().create_server(new_leg, "127.0.0.1", 0)
        wire.address = server.sockets[0].getsockname()
        async with server:
            try:
                await story(wire)
            finally:
                await wire.cut()

    def run() -> None:
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(main())

    await asyncio.to_thread(run)


async def test_a_stalled_peer_loses_the_oldest_audio_no_mark_and_nobody_elses_time(loop: Loop) -> None:
    async def story(wire: Wire) -> None:
        leg, stalled = await wire.pair()
        other_leg, other = await wire.pair()
        heard = Heard()
        other_leg.attach(heard.on_texts)
        stalled.transport.pause_reading()
        for number in range(20_000):
            leg.send(f"{AUDIO}{number}")
            leg.send(f"mark {number}")
            leg.flush()
            if number % 2_000 == 0:
                # A round trip of the other call, while this one piles up.
                other.say(f"ping {number}")
                await heard.until(lambda number=number: heard.texts[-1:] == [f"ping {number}"])
                other_leg.send(f"pong {number}")
                other_leg.flush()
                await other.until(lambda number=number: other.texts[-1:] == [f"pong {number}"])
        assert leg.dropped > 10_000
        transport = cast(asyncio.Transport, vars(leg)["_transport"])
        assert transport.get_write_buffer_size() < 2 * WRITE_BUFFER_BYTES
        stalled.transport.resume_reading()
        await stalled.until(lambda: stalled.texts[-1:] == ["mark 19999"])
        marks = [text for text in stalled.texts if text.startswith("mark")]
        assert marks == [f"mark {number}" for number in range(20_000)]
        audio = [int(text.removeprefix(AUDIO)) for text in stalled.texts if text.startswith("audio")]
        assert audio == sorted(audio) and len(audio) == 20_000 - leg.dropped
        kept = MAX_AUDIO_BYTES // (len(AUDIO) + 5)
        assert audio[-kept:] == list(range(20_000 - kept, 20_000)), "the newest"

    await on_a_wire(loop, story)


async def test_a_peer_that_leaves_control_messages_unread_for_good_is_let_go(loop: Loop) -> None:
    async def story(wire: Wire) -> None:
        leg, stalled = await wire.pair()
        heard = Heard()
        leg.attach(heard.on_texts, heard.on_closed)
        stalled.transport.pause_reading()
        for _ in range(400):
            leg.send("c" * 100_000)
            leg.flush()
        await heard.until(lambda: heard.closed == [(1006, "")])

    await on_a_wire(loop, story)


async def test_messages_of_one_read_are_handed_on_together(loop: Loop) -> None:
    async def story(wire: Wire) -> None:
        leg, peer = await wire.pair()
        heard = Heard()
        leg.attach(heard.on_texts)
        peer.say("one", "two", "three")
        await heard.until(lambda: len(heard.texts) == 3)
        assert heard.reads == [["one", "two", "three"]]

    await on_a_wire(loop, story)


async def test_what_comes_before_anybody_listens_is_kept_and_then_waits_on_the_wire(loop: Loop) -> None:
    async def story(wire: Wire) -> None:
        leg, peer = await wire.pair()
        sent = [f"{number} {'x' * 9_000}" for number in range(2_000)]
        peer.say(*sent)
        assert await leg.receive() == sent[0]
        kept = cast("list[str]", vars(leg)["_early"])
        assert len(kept) < EARLY_MESSAGES + 100
        heard = Heard()
        leg.attach(heard.on_texts)
        await heard.until(lambda: len(heard.texts) == len(sent) - 1)
        assert heard.texts == sent[1:]

    await on_a_wire(loop, story)


async def test_an_end_before_anybody_listens_is_told(loop: Loop) -> None:
    async def story(wire: Wire) -> None:
        leg, peer = await wire.pair()
        peer.say("hello")
        peer.close(4001)
        await leg.wait_closed()
        heard = Heard()
        leg.attach(heard.on_texts, heard.on_closed)
        assert (heard.texts, heard.closed) == (["hello"], [(4001, "")])
        assert await leg.receive() is None

    await on_a_wire(loop, story)


@pytest.mark.parametrize("code", [1000, 1005, 3000])
async def test_a_peers_close_is_echoed_reported_once_and_ends_the_socket(loop: Loop, code: int) -> None:
    async def story(wire: Wire) -> None:
        leg, peer = await wire.pair(answers=False)
        heard = Heard()
        leg.attach(heard.on_texts, heard.on_closed)
        peer.close(code)
        await peer.until(lambda: peer.gone)
        await leg.wait_closed()
        assert peer.signals == [Closed(code, "")]
        assert heard.closed == [(code, "")]
        leg.send("too late")
        leg.flush()
        leg.close()

    await on_a_wire(loop, story)


async def test_our_close_comes_after_what_was_sent_and_is_not_reported_to_us(loop: Loop) -> None:
    async def story(wire: Wire) -> None:
        leg, peer = await wire.pair()
        heard = Heard()
        leg.attach(heard.on_texts, heard.on_closed)
        leg.send("goodbye")
        leg.close(1001)
        await peer.until(lambda: peer.gone)
        await leg.wait_closed()
        assert (peer.texts, peer.signals, heard.closed) == (["goodbye"], [Closed(1001, "")], [])

    await on_a_wire(loop, story)


async def test_a_peer_that_does_not_answer_our_close_is_cut_off(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_leg, "CLOSE_SECONDS", 0.05)

    async def story(wire: Wire) -> None:
        leg, peer = await wire.pair(answers=False)
        leg.close()
        await leg.wait_closed()
        await peer.until(lambda: peer.gone)

    await on_a_wire(loop, story)


async def test_only_a_peer_of_whom_nothing_is_heard_is_given_up_as_silent(loop: Loop) -> None:
    async def story(wire: Wire) -> None:
        leg, alive = await wire.pair(beat_seconds=0.05)
        silent_leg, silent = await wire.pair(answers=False, beat_seconds=0.05)
        heard = Heard()
        silent_leg.attach(heard.on_texts, heard.on_closed)
        await silent.until(lambda: silent.gone)
        await heard.until(lambda: heard.closed == [(1006, "silent")])
        assert silent.signals == [Ping(b"")], "asked once"
        await alive.until(lambda: len(alive.signals) >= 5)
        assert not alive.gone
        assert (silent_leg.silent, leg.silent) == (True, False)

    await on_a_wire(loop, story)


async def test_a_peer_that_talks_is_not_pinged(loop: Loop) -> None:
    """Fifty frames a second say enough."""

    async def story(wire: Wire) -> None:
        leg, peer = await wire.pair(answers=False, beat_seconds=0.05)
        heard = Heard()
        leg.attach(heard.on_texts)
        clock = asyncio.get_running_loop().time
        until = clock() + 0.5
        while clock() < until:
            heard.reads.clear()
            peer.say("media")
            await heard.until(lambda: bool(heard.reads))
        assert not leg.silent
        # One beat may fall into a pause of the machine's.
        assert len(peer.signals) <= 2

    await on_a_wire(loop, story)


async def test_a_busy_machine_takes_nobody_for_silent(loop: Loop) -> None:
    """All sessions would be dialled anew at once, on a machine that is busy already."""

    async def story(wire: Wire) -> None:
        leg, _ = await wire.pair(answers=False, beat_seconds=0.02)
        for _ in range(2 * SILENT_BEATS):
            time.sleep(0.1)  # noqa: ASYNC251 (the event loop is to stand still)
            await asyncio.sleep(0)
        assert not leg.silent
        await leg.wait_closed()
        assert leg.silent, "as soon as there is time to listen"

    await on_a_wire(loop, story)


async def test_who_is_not_read_from_is_not_silent(loop: Loop) -> None:
    """Before anybody listens the rest of what was said waits on the wire, a pong perhaps with it."""

    async def story(wire: Wire) -> None:
        leg, peer = await wire.pair(answers=False, beat_seconds=0.02)
        peer.say(*[f"{number} {'x' * 9_000}" for number in range(2_000)])
        assert await leg.receive()
        other_leg, _ = await wire.pair(answers=False, beat_seconds=0.02)
        await other_leg.wait_closed()
        assert not leg.silent and not peer.gone

    await on_a_wire(loop, story)


async def test_a_silent_peer_that_does_not_read_either_is_given_up_as_fast(loop: Loop) -> None:
    """What is unwritten is not waited for."""

    async def story(wire: Wire) -> None:
        leg, peer = await wire.pair(answers=False, beat_seconds=0.05)
        heard = Heard()
        leg.attach(heard.on_texts, heard.on_closed)
        peer.transport.pause_reading()
        while not leg.dropped:
            leg.send(AUDIO)
            leg.flush()
        began = asyncio.get_running_loop().time()
        await heard.until(lambda: heard.closed == [(1006, "silent")])
        assert asyncio.get_running_loop().time() - began < 2

    await on_a_wire(loop, story)


@pytest.mark.parametrize(
    ("rude", "code"),
    [
        (b"\x81\x02hi", 1002),
        (b"\xc1\x80\x00\x00\x00\x00", 1002),
        (b"\x81\x81\x00\x00\x00\x00\xff", 1007),
        (b"\x81\xff" + (2**40).to_bytes(8) + bytes(4), 1009),
    ],
    ids=["unmasked", "reserved bit", "not UTF-8", "too big"],
)
async def test_a_rude_peer_is_told_why_and_cut_off(loop: Loop, rude: bytes, code: int) -> None:
    async def story(wire: Wire) -> None:
        leg, peer = await wire.pair(answers=False)
        heard = Heard()
        leg.attach(heard.on_texts, heard.on_closed)
        peer.transport.write(rude)
        await peer.until(lambda: peer.gone)
        await heard.until(lambda: bool(heard.closed))
        assert peer.signals == [Closed(code, "")]
        assert heard.closed == [(1006, "")] and leg.malformed == 1

    await on_a_wire(loop, story)


async def test_pings_are_answered(loop: Loop) -> None:
    async def story(wire: Wire) -> None:
        leg, peer = await wire.pair()
        sender: Any = vars(peer)["_sender"]
        peer.transport.write(sender.frame(0x89, b"are you there"))
        await peer.until(lambda: bool(peer.signals))
        assert [getattr(signal, "payload", None) for signal in peer.signals] == [b"are you there"]
        leg.abort()

    await on_a_wire(loop, story)
