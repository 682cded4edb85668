"""What a caller hears when their stream has ended."""

from __future__ import annotations

import pytest

from bridge.call.ending import APOLOGISE, EndReason
from bridge.web.after_stream import Next, decide
from database.models import FINAL_STATUSES


@pytest.mark.parametrize("status", sorted(FINAL_STATUSES))
@pytest.mark.parametrize("reason", [None, EndReason.MODEL_LOST, EndReason.AGENT_HUNG_UP])
def test_nothing_is_said_to_a_caller_who_is_gone(status: str, reason: EndReason | None) -> None:
    assert decide(status, reason, ended=False) is Next.HANG_UP


def test_a_call_whose_row_is_final_is_hung_up() -> None:
    assert decide("in-progress", None, ended=True) is Next.HANG_UP


def test_a_caller_whose_stream_was_lost_is_not_left_in_silence() -> None:
    assert decide("in-progress", None, ended=False) is Next.ATTACH_AGAIN


@pytest.mark.parametrize("reason", sorted(EndReason))
def test_only_what_is_our_fault_is_apologised_for(reason: EndReason) -> None:
    expected = Next.APOLOGISE if reason in APOLOGISE else Next.HANG_UP
    assert decide("in-progress", reason, ended=False) is expected
