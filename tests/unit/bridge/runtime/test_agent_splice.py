"""The short way of the agent's speech does what the long one does, or nothing."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from websockets.speedups import apply_mask

from bridge.runtime.agent_splice import AgentSplice
from bridge.runtime.tape import Tape
from bridge.wire.websocket import Sender
from tests.unit.bridge.call.story import Story, audio, compact, framed


def delta(ms: float = 200, *, item_id: str = "item_1", **more: Any) -> str:
    of = {"event_id": "event_9", "response_id": "resp_1", "item_id": item_id, "output_index": 0}
    return compact({"type": "response.output_audio.delta"} | of | {"delta": audio(ms)} | more)


def words(text: str = "Good day.", item_id: str = "item_1") -> str:
    of = {"event_id": "event_8", "response_id": "resp_1", "item_id": item_id, "delta": text}
    message = {"type": "response.output_audio_transcript.delta"} | of
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


class History:
    """A call that goes on at random. What is not possible at a moment changes nothing."""

    def __init__(self, *, spliced: bool) -> None:
        self.story = Story(spliced=spliced).live()
        self._played = 0
        self._turns = 0

    def begins(self, item_id: str) -> None:
        self.story.agent_begins(item_id, f"resp_{item_id}")

    def says(self, ms: float, item_id: str) -> None:
        self.story.raw_model(words("Well then, ", item_id))
        self.story.raw_model(delta(ms, item_id=item_id, response_id=f"resp_{item_id}"))

    def finishes(self, item_id: str) -> None:
        self.story.agent_finishes(item_id, "Well then, so be it, and good day.", f"resp_{item_id}")

    def plays(self, ms: int) -> None:
        """Time goes on, and the next mark comes back."""
        self.story.caller_audio(ms)
        marks = [int(message["mark"]["name"]) for message in self.story.shown if message["event"] == "mark"]
        due = [number for number in marks if number > self._played]
        if due:
            self._played = due[0]
            self.story.mark_returns(str(due[0]))

    def interrupts(self) -> None:
        self._turns += 1
        self.story.caller_speaks(f"item_c{self._turns}", ms=200)

    def is_noted(self) -> None:
        self.story.took(self.story.call.note_heard(self.story.now))

    def waits(self) -> None:
        self.story.later(0.5)

    def go(self, steps: Sequence[tuple[Any, ...]]) -> History:
        for step, *how in steps:
            getattr(self, step)(*how)
        return self


ITEMS = st.sampled_from(["item_1", "item_2"])
STEPS = st.one_of(
    st.tuples(st.just("begins"), ITEMS),
    st.tuples(st.just("says"), st.sampled_from([200, 400, 20, 30, 200.125, 0]), ITEMS),
    st.tuples(st.just("says"), st.just(200), st.just("item_1")),
    st.tuples(st.just("finishes"), ITEMS),
    st.tuples(st.just("plays"), st.sampled_from([20, 200, 600])),
    st.tuples(st.just("interrupts")),
    st.tuples(st.just("is_noted")),
    st.tuples(st.just("waits")),
)


@given(st.lists(STEPS, max_size=40))
def test_what_a_call_does_is_the_same(steps: list[tuple[Any, ...]]):
    steps = [("begins", "item_1"), ("says", 200, "item_1"), *steps]
    short, long = History(spliced=True).go(steps).story, History(spliced=False).go(steps).story
    event(f"{min(short.phone.writes, 5)} pieces of speech went the short way")
    assert short.shown == long.shown
    assert short.said == long.said
    assert short.commands == long.commands
    assert short.call.deadline == long.call.deadline


def speaking(**how: Any) -> Story:
    """In the middle of a response."""
    story = Story(**how).live()
    story.agent_begins("item_1")
    story.raw_model(delta())
    story.phone.take()
    return story


def test_more_of_what_is_being_said_goes_the_short_way_with_its_words():
    story = speaking()
    read = framed(words()) + framed(delta(400)) + framed(words("Schöne Grüße.")) + framed(delta(600))
    assert story.splice.take(read) == len(read)
    assert [json.loads(text) for text in story.phone.take()] == [
        {"event": "media", "streamSid": "MZ1", "media": {"payload": audio(400)}},
        {"event": "mark", "streamSid": "MZ1", "mark": {"name": "3"}},
        {"event": "media", "streamSid": "MZ1", "media": {"payload": audio(600)}},
        {"event": "mark", "streamSid": "MZ1", "mark": {"name": "4"}},
    ]
    assert story.phone.writes == 1, "the sends of one wake-up are joined"


UNUSUAL = {
    "nothing": b"",
    "half a head": framed(delta())[:3],
    "half a frame": framed(delta())[:200],
    "masked": Sender(apply_mask, iter([b"abcd"])).text(delta()),
    "a fragment": bytes([0x01]) + framed(delta())[1:],
    "binary": bytes([0x82]) + framed(delta())[1:],
    "more than 64 KB": framed(delta(8000)),
    "another message": framed(compact({"type": "response.output_audio.done", "item_id": "item_1" * 20})),
    "another item's": framed(delta(item_id="item_2")),
    "an item whose id begins the same": framed(delta(item_id="item_12")),
    "its type later in the text": framed(json.dumps({"event_id": "event_9", **json.loads(delta())})),
    "ragged audio": framed(delta(30)),
    "no audio": framed(delta(0)),
    "no payload": framed(delta().replace('"delta":', '"gamma":')),
    "audio that ends the message": framed(delta().removesuffix('"}')),
    "an escape in the audio": framed(delta().replace("QEBA", "\\u00", 1)),
    "what is not ASCII": framed(delta(note="é").replace("\\u00e9", "é")),
    "words that are not UTF-8": framed(words("?" * 20)).replace(b"?", b"\xff"),
}


@pytest.mark.parametrize("kind", UNUSUAL)
def test_what_is_not_as_it_always_is_goes_the_long_way(kind: str):
    story = speaking()
    assert not story.splice.take(UNUSUAL[kind])
    assert story.phone.take() == []
    assert story.splice.take(framed(delta())), "and nothing of it has been taken in"
    assert json.loads(story.phone.take()[1])["mark"] == {"name": "3"}


@pytest.mark.parametrize("kind", UNUSUAL)
def test_what_stands_before_it_in_a_read_does_not(kind: str):
    story = speaking()
    assert story.splice.take(framed(delta()) + UNUSUAL[kind]) == len(framed(delta()))
    assert len(story.phone.take()) == 2


@given(st.binary(max_size=400))
def test_nothing_that_comes_can_break_it(noise: bytes):
    story = speaking()
    story.splice.take(noise)
    story.splice.take(framed(delta())[:8] + noise)


@pytest.mark.parametrize("why", ["the phone does not read", "its socket closes"])
def test_what_may_not_be_written_now_goes_the_long_way(why: str):
    story = speaking()
    story.phone.paused = why == "the phone does not read"
    story.phone.closing = why == "its socket closes"
    assert not story.splice.take(framed(delta()))


def test_the_first_piece_of_a_response_and_what_follows_other_events_goes_the_long_way():
    story = Story().live()
    story.agent_begins("item_1")
    assert not story.splice.take(framed(delta()))
    story.raw_model(delta())
    assert story.splice.take(framed(delta()))
    story.agent_finishes("item_1", "Good day.")
    assert not story.splice.take(framed(delta()))


def test_nothing_of_an_interrupted_item_goes_any_way():
    story = speaking()
    story.caller_speaks("item_c1")
    assert not story.splice.take(framed(delta()))
    shown = list(story.shown)
    story.raw_model(delta())
    assert story.shown == shown


def test_a_model_that_sends_silence_goes_the_long_way():
    """Somebody has to notice."""
    story = Story().live()
    story.agent_begins("item_1")
    silence = delta(delta=audio(200, byte=0x7F))
    story.raw_model(silence)
    assert not story.splice.take(framed(silence))


def test_what_goes_through_is_overheard():
    story, tape = speaking(), Tape("call_1", 1, dt.datetime.now(dt.UTC))
    AgentSplice(story.call.agent_line, story.phone, tape).take(framed(delta()))
    assert list(tape.take().texts) == [text.encode() for text in story.phone.take()]
