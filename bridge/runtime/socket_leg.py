"""A leg on a socket of its own: frames are read where bytes arrive and written where they are made, with no
task or queue between."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import cast

from websockets.speedups import apply_mask

from bridge.runtime.backlog import Backlog
from bridge.runtime.heartbeat import Heartbeat
from bridge.runtime.legs import OnTexts
from bridge.runtime.moment import Moment
from bridge.wire.websocket import Binary, Closed, Ping, Pong, Receiver, Sender, Violation, mask_keys

OnClosed = Callable[[int, str], None]

BEAT_SECONDS = 0.5
SILENT_BEATS = 3
"""After a beat without a word the peer is pinged; after so many it is gone, which is noticed within 2 s."""
CLOSE_SECONDS = 2.0
WRITE_BUFFER_BYTES = 64 * 1024
"""In the transport, beyond what the system has taken; more waits in the backlog, where it can be dropped."""
EARLY_MESSAGES = 64
"""Before `attach`; then reading waits."""
ABNORMAL = 1006
SILENT = "silent"
"""The reason that goes with 1006 where nobody closed."""

MASK_KEYS = mask_keys(os.urandom)


class SocketLeg(asyncio.Protocol):
    """Reading never pauses for a peer that does not: what the model says about the caller would come late.

    `audio_prefix`: how messages begin that are dropped, the oldest first, when more than `max_audio_bytes` of
    them wait for a peer that does not read."""

    def __init__(
        self,
        *,
        client: bool,
        audio_prefix: str,
        max_audio_bytes: int,
        max_message_bytes: int,
        beat_seconds: float = BEAT_SECONDS,
    ) -> None:
        self.malformed = 0
        self.silent = False
        """It was given up because nothing was heard of the peer any more."""
        self.paused = False
        """The peer does not read as fast as it is written to; what is sent waits."""
        self.closing = False
        self._client = client
        self._receiver = Receiver(masked=not client, mask=apply_mask, max_message_bytes=max_message_bytes)
        self._sender = Sender(apply_mask, MASK_KEYS if client else None)
        self._out: list[bytes] = []
        self._audio_prefix, self._max_audio_bytes = audio_prefix, max_audio_bytes
        self._backlog: Backlog | None = None
        """Hardly any socket ever needs one."""
        self._early: list[str] = []
        self._arrived = Moment()
        self._lost = Moment()
        self._when_lost: list[Callable[[], object]] = []
        self._transport: asyncio.Transport
        self._on_texts: OnTexts | None = None
        self._on_closed: OnClosed | None = None
        self._end: tuple[int, str] = (ABNORMAL, "")
        self._left = False
        """It was we who closed."""
        self._take: Callable[[bytes], int] | None = None
        self._whole = True
        """The receiver waits for nothing."""
        self._heartbeat = Heartbeat.here(beat_seconds)
        self._silent_beats = 0
        self._heard = True
        self._cut_timer: asyncio.TimerHandle | None = None

    def attach(self, on_texts: OnTexts, on_closed: OnClosed | None = None) -> None:
        """From now on. What came before comes first, an end included."""
        early, self._early = self._early, []
        if self._left:
            return
        self._on_texts, self._on_closed = on_texts, on_closed
        if early:
            on_texts(early)
        if self.closing:
            self._tell_closed()
        else:
            self._transport.resume_reading()

    def give_reads_to(self, take: Callable[[bytes], int] | None) -> None:
        """Offer it each read that begins with a message; it returns how many bytes it has taken."""
        self._take = None if self._left else take

    async def receive(self) -> str | None:
        """The next message, for who has not attached; None when the socket is gone."""
        while not self._early:
            if self.closing:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        return self._early.pop(0)

    async def wait_closed(self) -> None:
        await self._lost.wait()

    def when_lost(self, done: Callable[[], object]) -> None:
        """Call it once the socket is gone, whoever ended it."""
        if self._lost.is_set():
            done()
        else:
            self._when_lost.append(done)

    @property
    def attached(self) -> bool:
        """Somebody has it, or it is on its way out."""
        return self._on_texts is not None or self.closing

    # What a call does

    @property
    def dropped(self) -> int:
        return 0 if self._backlog is None else self._backlog.dropped

    def send(self, text: str) -> None:
        if self.closing:
            return
        if not self.paused:
            self._out.append(self._sender.text(text))
            return
        if self._backlog is None:
            self._backlog = Backlog(self._audio_prefix, self._max_audio_bytes)
        self._backlog.add(text)
        if self._backlog.hopeless:
            self.abort()

    @property
    def write(self) -> Callable[[bytes], object]:
        """For frames made elsewhere, while this is neither paused nor closing."""
        return self._transport.write

    def flush(self) -> None:
        out = self._out
        if out:
            self._transport.write(out[0] if len(out) == 1 else b"".join(out))
            out.clear()

    def close(self, code: int = 1000) -> None:
        """No end is reported for it. What was sent goes out first, unless the peer does not read."""
        self._left = True
        self._take = None
        self._on_texts = self._on_closed = None
        self._say_goodbye(code)

    def abort(self) -> None:
        self.closing = True
        self._out.clear()
        self._transport.abort()

    # What the transport does

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        self._heartbeat.join(self)

    def data_received(self, data: bytes) -> None:
        self._heard = True
        if self._take is not None and self._whole:
            taken = self._take(data)
            if taken == len(data):
                return
            data = data[taken:]
        texts = self._receiver.feed(data)
        self._whole = self._receiver.whole
        if texts:
            if self._on_texts is not None:
                self._on_texts(texts)
            elif not self.closing:
                self._keep(texts)
        if self._receiver.signals:
            self._take_signals()

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        while self._backlog and not self.paused:
            self._transport.write(self._sender.text(self._backlog.pop()))

    def connection_lost(self, exc: Exception | None) -> None:
        self.closing = True
        self._heartbeat.leave(self)
        if self._cut_timer is not None:
            self._cut_timer.cancel()
            self._cut_timer = None
        self._out.clear()
        if self._backlog is not None:
            self._backlog.clear()
        self._lost.set()
        self._arrived.set()
        self._tell_closed()
        when_lost, self._when_lost = self._when_lost, []
        for done in when_lost:
            done()

    def _keep(self, texts: list[str]) -> None:
        self._early.extend(texts)
        self._arrived.set()
        if len(self._early) > EARLY_MESSAGES:
            self._transport.pause_reading()

    def _take_signals(self) -> None:
        signals, self._receiver.signals = self._receiver.signals, []
        for signal in signals:
            match signal:
                case Ping(payload):
                    # Who does not read needs no answers, which would pile up.
                    if not self.paused and not self.closing:
                        self._transport.write(self._sender.pong(payload))
                case Binary():
                    self.malformed += 1
                case Closed(code, reason):
                    self._end = (code, reason)
                    self._say_goodbye(code)
                    self._tell_closed()
                    if not self._client:
                        self._transport.close()
                case Violation(code):
                    self.malformed += 1
                    self._say_goodbye(code)
                    self._transport.close()
                case Pong():
                    pass

    def _say_goodbye(self, code: int) -> None:
        """Once. Then the peer has a moment to go."""
        if self.closing:
            return
        self.closing = True
        self._arrived.set()
        while self._backlog:
            self._out.append(self._sender.text(self._backlog.pop()))
        self._out.append(self._sender.close(code))
        self.flush()
        self._heartbeat.leave(self)
        self._cut_timer = asyncio.get_running_loop().call_later(CLOSE_SECONDS, self._transport.abort)

    def _tell_closed(self) -> None:
        on_closed, self._on_closed, self._on_texts = self._on_closed, None, None
        if on_closed is not None:
            on_closed(*self._end)

    def beat(self, *, late: bool) -> None:
        """Beats are counted, not seconds."""
        if self._heard:
            self._heard, self._silent_beats = False, 0
            return
        if late or not self._transport.is_reading():
            self._silent_beats = 0
            return
        self._silent_beats += 1
        if self._silent_beats == SILENT_BEATS:
            self.silent = True
            self._end = (ABNORMAL, SILENT)
            self.abort()
        elif self._silent_beats == 1:
            self._transport.write(self._sender.ping())
