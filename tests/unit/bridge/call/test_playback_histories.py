"""The ledger against an independent Twilio that knows what it played, over random histories."""

from __future__ import annotations

from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.call.playback import Playback, Settled

FRAME_MS = 20


class Twilio:
    """Plays a buffer in steps of 20 ms. What it says arrives `delay` steps later, as what it is told does."""

    def __init__(self, delay: int) -> None:
        self._to_twilio: deque[tuple[int, tuple[str, str, int]]] = deque()
        self._to_us: deque[tuple[int, tuple[str, str]]] = deque()
        self._delay = delay
        self._buffer: deque[tuple[str, str]] = deque()
        self.step = 0
        self.played: dict[str, int] = {}
        """Milliseconds of each item that were heard."""

    def send(self, kind: str, name: str, ms: int = 0) -> None:
        self._to_twilio.append((self.step + self._delay, (kind, name, ms)))

    def advance(self) -> list[tuple[str, str]]:
        """One step. Returns what arrives at our side: `media` with its timestamp, or a mark."""
        self.step += 1
        while self._to_twilio and self._to_twilio[0][0] <= self.step:
            kind, name, ms = self._to_twilio.popleft()[1]
            if kind == "clear":
                for entry, mark in self._buffer:
                    if entry == "mark":
                        self._say("mark", mark)
                self._buffer.clear()
            else:
                self._buffer.extend([(kind, name)] * (ms // FRAME_MS if kind == "media" else 1))
        self._marks()  # behind the frame that has just been played to its end
        if self._buffer:
            _, item = self._buffer.popleft()
            self.played[item] = self.played.get(item, 0) + FRAME_MS
        self._say("media", str(self.step * FRAME_MS))
        arrived: list[tuple[str, str]] = []
        while self._to_us and self._to_us[0][0] <= self.step:
            arrived.append(self._to_us.popleft()[1])
        return arrived

    def _marks(self) -> None:
        while self._buffer and self._buffer[0][0] == "mark":
            self._say(*self._buffer.popleft())

    def _say(self, kind: str, name: str) -> None:
        self._to_us.append((self.step + self._delay, (kind, name)))


class Conversation:
    """Speaks into the ledger and Twilio alike, and keeps what the ledger says was heard."""

    def __init__(self, delay: int) -> None:
        self.twilio = Twilio(delay)
        self.playback = Playback()
        self.heard: dict[str, int] = {}
        self.cut: set[str] = set()
        self.sent: dict[str, int] = {}
        self._stream_ms = 0

    def speak(self, item: str, ms: int) -> None:
        before, after = self.playback.add(item, ms * 8)
        if before:
            self.twilio.send("mark", before)
        self.twilio.send("media", item, ms)
        self.twilio.send("mark", after)
        self.sent[item] = self.sent.get(item, 0) + ms

    def interrupt(self) -> None:
        if self.playback.playing and not self.playback.clearing:
            self.cut |= {heard.item_id for heard in self.playback.heard_so_far(self._stream_ms)}
            self.twilio.send("clear", "")
            self.twilio.send("mark", self.playback.clear())

    def wait(self, steps: int) -> None:
        for _ in range(steps):
            for kind, name in self.twilio.advance():
                if kind == "media":
                    self._stream_ms = int(name)
                elif (settled := self.playback.mark_returned(name, self._stream_ms)) is not None:
                    self._count(settled)

    def _count(self, settled: Settled) -> None:
        for heard in settled.heard:
            self.heard[heard.item_id] = self.heard.get(heard.item_id, 0) + heard.heard_ms


HISTORIES = st.lists(
    st.one_of(
        st.tuples(st.just("speak"), st.integers(1, 30)),
        st.tuples(st.just("more"), st.integers(1, 30)),
        st.tuples(st.just("wait"), st.integers(1, 60)),
        st.tuples(st.just("interrupt"), st.just(0)),
    ),
    max_size=25,
)


def run(history: list[tuple[str, int]], delay: int) -> Conversation:
    talk = Conversation(delay)
    talk.wait(1)
    item = 0
    for kind, amount in history:
        if kind in ("speak", "more"):
            item += kind == "speak" or f"item_{item}" in talk.cut
            talk.speak(f"item_{item}", amount * FRAME_MS)
        elif kind == "wait":
            talk.wait(amount)
        else:
            talk.interrupt()
    talk.wait(3 * delay + 26 * 30 + 2)
    return talk


@settings(max_examples=400, deadline=None)
@given(history=HISTORIES, delay=st.integers(0, 8))
def test_never_more_is_heard_than_was_sent_and_every_item_is_settled(
    history: list[tuple[str, int]], delay: int
):
    talk = run(history, delay)
    assert set(talk.heard) == set(talk.sent)
    for item, heard_ms in talk.heard.items():
        assert 0 <= heard_ms <= talk.sent[item]


@settings(max_examples=400, deadline=None)
@given(history=HISTORIES, delay=st.integers(0, 8))
def test_what_was_not_interrupted_was_heard_whole(history: list[tuple[str, int]], delay: int):
    talk = run(history, delay)
    for item, sent_ms in talk.sent.items():
        if item not in talk.cut:
            assert talk.heard[item] == sent_ms == talk.twilio.played[item]


@settings(max_examples=400, deadline=None)
@given(history=HISTORIES, delay=st.integers(0, 8))
def test_what_was_interrupted_is_known_to_a_frame_however_long_the_way(
    history: list[tuple[str, int]], delay: int
):
    """To 40 ms; where the buffer ran dry in the middle of an item, to the way there and back."""
    talk = run(history, delay)
    for item in talk.cut:
        error_ms = abs(talk.heard.get(item, 0) - talk.twilio.played.get(item, 0))
        assert error_ms <= 40 + 2 * delay * FRAME_MS


@settings(max_examples=300, deadline=None)
@given(
    chunks=st.lists(st.integers(1, 30), min_size=1, max_size=10),
    heard=st.integers(0, 200),
    delay=st.integers(0, 8),
)
def test_an_answer_that_came_faster_than_it_plays_is_cut_to_the_frame(
    chunks: list[int], heard: int, delay: int
):
    """The model's usual case: all of it is with Twilio when the caller interrupts."""
    talk = run(
        [("speak" if n == 0 else "more", ms) for n, ms in enumerate(chunks)]
        + [("wait", heard + 1), ("interrupt", 0)],
        delay,
    )
    assert abs(talk.heard["item_1"] - talk.twilio.played.get("item_1", 0)) <= 20
