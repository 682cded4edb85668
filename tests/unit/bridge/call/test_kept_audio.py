"""Kept audio against the plainest way to keep it: a list that is cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.call.kept_audio import BLOCK_FRAMES, KeptAudio

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 3 * BLOCK_FRAMES)),
        st.tuples(st.just("drop"), st.integers(-2, 3 * BLOCK_FRAMES)),
        st.tuples(st.just("limit"), st.integers(1, 4 * BLOCK_FRAMES)),
        st.tuples(st.just("clear"), st.just(0)),
    )
)


@given(STEPS)
def test_the_newest_frames_are_kept_in_order(steps: list[tuple[str, int]]) -> None:
    kept, plain, limit, said = KeptAudio(25), list[bytes](), 25, 0
    for what, number in steps:
        if what == "append":
            for _ in range(number):
                said += 1
                kept.append(f"frame{said}==".encode())
                plain = [*plain, f"frame{said}==".encode()][-limit:]
        elif what == "drop":
            kept.drop(number)
            plain = plain[max(0, number) :]
        elif what == "limit":
            kept.limit = limit = min(limit, number)
            plain = plain[-limit:]
        else:
            kept.clear()
            plain = []
        assert (len(kept), kept.frames()) == (len(plain), plain)


def test_more_than_the_limit_is_not_held() -> None:
    kept = KeptAudio(2 * BLOCK_FRAMES)
    for number in range(100 * BLOCK_FRAMES):
        kept.append(b"%d" % number)
    kept.limit = 1000 * BLOCK_FRAMES
    assert len(kept) < 3 * BLOCK_FRAMES
