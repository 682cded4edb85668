"""The path of a frame has not become grossly slower: against Python's own JSON parser in the same moment."""

from __future__ import annotations

import pytest

from bench import micro

LIMITS = {
    "caller frame, bytes to bytes": 1.25,
    "  a frame read and one written": 0.75,
    "agent delta of 400 ms, bytes to bytes, mark back": 2.9,
}
"""As measured; three times as much is a change of kind."""


@pytest.fixture(scope="module")
def measured() -> dict[str, float]:
    return micro.measure(*LIMITS, rounds=9)


@pytest.mark.parametrize("kind", LIMITS)
def test_the_path_of_a_frame_has_not_become_grossly_slower(kind: str, measured: dict[str, float]) -> None:
    assert measured[kind] < 3 * LIMITS[kind]


def test_a_frame_takes_less_than_by_json_and_websockets() -> None:
    """Which is what the hand-made path is for."""
    ours, theirs, json_alone = (
        "caller frame, bytes to bytes",
        "  the same by websockets",
        "  the same by json",
    )
    units = micro.measure(ours, theirs, json_alone, rounds=9)
    assert units[ours] < units[theirs] + units[json_alone]
