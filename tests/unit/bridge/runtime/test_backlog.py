"""What a peer that does not read may cost, and what of it is kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.runtime.backlog import MAX_CONTROL_BYTES, Backlog

LIMIT = 40


def all_of(backlog: Backlog) -> list[str]:
    return [backlog.pop() for _ in range(len(backlog))]


@given(st.lists(st.builds(lambda kind, size: kind + "x" * size, st.sampled_from("ac"), st.integers(0, 50))))
def test_the_newest_audio_within_the_bound_and_every_control_message_stay_in_order(sent: list[str]) -> None:
    backlog = Backlog("a", LIMIT)
    for text in sent:
        backlog.add(text)
    kept = all_of(backlog)
    assert [text for text in kept if text[0] == "c"] == [text for text in sent if text[0] == "c"]
    audio, audio_kept = ([text for text in texts if text[0] == "a"] for texts in (sent, kept))
    assert audio_kept == audio[len(audio) - len(audio_kept) :]
    assert sum(map(len, audio_kept)) <= LIMIT
    assert backlog.dropped == len(audio) - len(audio_kept)
    one_more = len(audio) - len(audio_kept) - 1
    assert one_more < 0 or sum(map(len, audio[one_more:])) > LIMIT
    places = [sent.index(text) for text in kept if sent.count(text) == 1]
    assert places == sorted(places)


@given(st.lists(st.sampled_from(["add", "pop"]), max_size=60))
def test_it_may_be_emptied_at_any_time(deeds: list[str]) -> None:
    backlog = Backlog("a", LIMIT)
    for number, deed in enumerate(deeds):
        if deed == "add":
            backlog.add("aaaaaaaaaa" if number % 2 else "c")
        elif backlog:
            backlog.pop()
    all_of(backlog)
    backlog.add("a" * LIMIT)
    assert all_of(backlog) == ["a" * LIMIT], "nothing is counted that is not there"


def test_who_reads_no_control_message_either_is_hopeless() -> None:
    backlog = Backlog("a", LIMIT)
    backlog.add("c" * MAX_CONTROL_BYTES)
    assert not backlog.hopeless
    backlog.add("c")
    assert backlog.hopeless
