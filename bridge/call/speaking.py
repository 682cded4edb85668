"""The agent's speech on its way to the caller: framing, what Twilio is sent, and what became of each item."""

from __future__ import annotations

from msgspec import Struct

from bridge.call.playback import Heard, Playback, Settled
from bridge.wire.pcmu import BYTES_PER_MS, Framing, payload_bytes
from bridge.wire.twilio import Outgoing


class AgentItem(Struct):
    """One thing the agent says, as far as its audio goes."""

    item_id: str
    received: int = 0
    """Bytes of audio that came from the model."""
    heard_ms: int = 0
    ended: bool = False
    """The model has said all of it."""
    broken: bool = False
    """The model was lost on the way: no more of it comes."""
    cut: bool = False
    """The caller interrupted it: what still comes of it is dropped."""
    canned: bool = False
    """From memory, and nothing that the model knows of."""
    tones: bool = False
    """Keys that are being pressed."""

    @property
    def received_ms(self) -> int:
        return self.received // BYTES_PER_MS


class Speaking:
    """Items that are not known to have been heard to their end, and the buffer at Twilio that they are in."""

    def __init__(self) -> None:
        self.playback = Playback()
        self.items: dict[str, AgentItem] = {}
        self._framing = Framing()
        self._framed_item: str | None = None
        self._stream: Outgoing | None = None
        self._held: list[tuple[str, str, int]] = []
        """Audio that came before Twilio's stream did."""
        self._gone: set[str] = set()
        """Cut and settled: deltas that were still on their way are dropped."""

    @property
    def playing(self) -> bool:
        return self.playback.playing or bool(self._held)

    @property
    def pressing(self) -> bool:
        """Keys are being pressed."""
        return any(item.tones for item in self.items.values())

    def stream_started(self, stream_sid: str) -> list[str]:
        self._stream = Outgoing(stream_sid)
        held, self._held = self._held, []
        return [frame for piece in held for frame in self._send(*piece)]

    def expect(self, item_id: str) -> None:
        """The model has begun an item; its audio is to come."""
        if item_id not in self._gone:
            self._item(item_id)

    def play(self, item_id: str, payload: str, *, tones: bool = False) -> list[str]:
        """Something from memory, as frames for the phone."""
        self.items[item_id] = AgentItem(item_id, canned=True, tones=tones)
        return self.audio(item_id, payload) + self.ended(item_id)

    def _item(self, item_id: str) -> AgentItem:
        return self.items.setdefault(item_id, AgentItem(item_id))

    def audio(self, item_id: str, payload: str) -> list[str]:
        """Frames for the phone."""
        item = self.items.get(item_id)
        if item is None:
            if item_id in self._gone:
                return []
            item = self._item(item_id)
        if item.cut:
            return []
        frames = [] if self._framed_item in (None, item_id) else self._flush()
        self._framed_item = item_id
        item.received += payload_bytes(payload)
        text, size = self._framing.cut(payload)
        return frames + self._send(item_id, text, size)

    def flow(self, item_id: str) -> tuple[AgentItem, Playback, Outgoing] | None:
        """What more whole frames of an item concern, if that is no more than this."""
        item = self.items.get(item_id)
        whole = self._framed_item == item_id and not self._framing.carries
        if item is None or item.cut or not whole or self._stream is None or not self.playback.flows(item_id):
            return None
        return item, self.playback, self._stream

    def ended(self, item_id: str) -> list[str]:
        """The item's audio is complete."""
        if item_id not in self.items:
            return []
        self.items[item_id].ended = True
        return self._flush() if self._framed_item == item_id else []

    def _flush(self) -> list[str]:
        item_id, self._framed_item = self._framed_item, None
        text, size = self._framing.rest()
        return self._send(item_id, text, size) if item_id is not None else []

    def _send(self, item_id: str, payload: str, size: int) -> list[str]:
        if not size:
            return []
        if self._stream is None:
            self._held.append((item_id, payload, size))
            return []
        before, after = self.playback.add(item_id, size)
        media, mark = self._stream.media(payload), self._stream.mark(after)
        return [media, mark] if before is None else [self._stream.mark(before), media, mark]

    def broken(self) -> None:
        """The model is lost: no more comes of anything."""
        for item in self.items.values():
            item.broken = True

    def stream_lost(self) -> None:
        """Twilio's buffer is gone; the next stream has its own."""
        self._stream = None
        self.playback = Playback()

    def heard_ms(self, item: AgentItem, stream_ms: int) -> int:
        """Of an item, by now."""
        pieces = self.playback.heard_so_far(stream_ms)
        return item.heard_ms + sum(piece.heard_ms for piece in pieces if piece.item_id == item.item_id)

    def interrupt(self) -> list[str]:
        """The caller speaks: everything not yet heard is cut. Frames that empty Twilio's buffer, if there is
        anything in it."""
        for item in self.items.values():
            item.cut = True
        self._held.clear()
        self._framing.drop()
        self._framed_item = None
        if self._stream is None or not self.playback.playing or self.playback.clearing:
            return []
        return [self._stream.clear, self._stream.mark(self.playback.clear())]

    def count(self, settled: Settled) -> list[Heard]:
        """Adds what was heard to the items."""
        for heard in settled.heard:
            self._item(heard.item_id).heard_ms += heard.heard_ms
        return settled.heard

    def finished(self) -> list[AgentItem]:
        """Items whose story is over: heard to the end, or cut and what of them was heard is known. Each
        comes once."""
        over = [item for item in self.items.values() if self._is_over(item)]
        for item in over:
            del self.items[item.item_id]
            if item.cut:
                self._gone.add(item.item_id)
        return over

    def _is_over(self, item: AgentItem) -> bool:
        if item.cut:
            return not self.playback.clearing
        return (item.ended or item.broken) and not self.playing
