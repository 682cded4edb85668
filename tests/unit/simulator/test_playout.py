"""Twilio's outbound buffer: real time, marks exactly when reached, the truth about what was played."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simulator.network.playout import FRAME_BYTES, MOST_BUFFERED_BYTES, SILENCE, Playout, Span


def test_a_mark_comes_back_when_the_audio_before_it_has_been_played() -> None:
    playout = Playout()
    playout.media(b"\x01" * 320)
    assert playout.mark("end") == []
    assert playout.step() == (b"\x01" * 160, [])
    assert playout.step() == (b"\x01" * 160, [])
    assert playout.step() == (SILENCE, ["end"])


def test_a_mark_on_an_empty_buffer_comes_back_at_once() -> None:
    playout = Playout()
    assert playout.mark("now") == ["now"]
    playout.media(b"\x01" * 160)
    playout.step()
    assert playout.mark("still playing") == []
    assert playout.step()[1] == ["still playing"]
    assert playout.mark("again now") == ["again now"]


def test_clear_returns_pending_marks_in_order_and_forgets_the_audio() -> None:
    playout = Playout()
    playout.media(b"\x01" * 200)
    playout.mark("one")
    playout.media(b"\x02" * 400)
    playout.mark("two")
    playout.step()
    playout.step()
    assert playout.clear() == ["one", "two"]
    assert playout.step() == (SILENCE, [])
    assert playout.played == [Span(20, 0, 320)]
    assert playout.cleared == [Span(40, 320, 280)]
    assert playout.played_ms == 40


def test_a_mark_after_clear_belongs_to_the_new_queue() -> None:
    playout = Playout()
    playout.media(b"\x01" * 800)
    playout.clear()
    playout.media(b"\x02" * 160)
    assert playout.mark("new") == []
    assert playout.step() == (b"\x02" * 160, [])
    assert playout.step() == (SILENCE, ["new"])


def test_a_gap_in_the_playing_is_visible() -> None:
    playout = Playout()
    playout.media(b"\x01" * 160)
    playout.step()
    playout.step()
    playout.media(b"\x01" * 160)
    playout.step()
    assert playout.played == [Span(20, 0, 160), Span(60, 160, 160)]


def test_more_than_ten_minutes_are_discarded() -> None:
    playout = Playout()
    assert playout.media(b"\x01" * MOST_BUFFERED_BYTES)
    assert not playout.media(b"\x01")
    assert playout.discarded_bytes == 1


@given(
    st.lists(
        st.one_of(st.binary(max_size=500), st.just("mark"), st.just("clear"), st.just("step")), max_size=60
    )
)
def test_every_byte_is_played_once_or_cleared_and_every_mark_comes_back_in_order(
    history: list[bytes | str],
) -> None:
    """Over any history, or the truncation error measured against this would be nonsense."""
    playout = Playout()
    sent = bytearray()
    heard = bytearray()
    asked: list[str] = []
    returned: list[str] = []

    def step() -> None:
        frame, marks = playout.step()
        heard.extend(frame)
        returned.extend(marks)

    for event in history:
        if isinstance(event, bytes):
            playout.media(event)
            sent += event
        elif event == "mark":
            asked.append(f"m{len(asked)}")
            returned.extend(playout.mark(asked[-1]))
        elif event == "clear":
            returned.extend(playout.clear())
        else:
            step()
    while playout.queued_bytes or len(returned) < len(asked):
        step()
    assert returned == asked
    assert sum(span.length for span in (*playout.played, *playout.cleared)) == len(sent)
    for span in playout.played:
        at = (span.stream_ms // 20 - 1) * FRAME_BYTES
        assert heard[at : at + span.length] == sent[span.offset : span.offset + span.length]
