"""What becomes of a caller when the call to somebody else is over."""

from __future__ import annotations

import pytest

from bridge.call.ending import EndReason
from bridge.call.transfer import Transfer
from bridge.web import after_stream
from bridge.web.after_dial import Next, decide, were_bridged
from bridge.web.form import TwilioForm


@pytest.mark.parametrize(
    ("call_status", "reason", "ended", "bridged", "wanted"),
    [
        ("completed", None, False, False, Next.HANG_UP),
        ("in-progress", None, True, False, Next.HANG_UP),
        ("in-progress", EndReason.OPERATOR_HUNG_UP, False, False, Next.HANG_UP),
        ("in-progress", None, False, True, Next.HANG_UP),
        ("in-progress", None, False, False, Next.BACK_TO_AGENT),
    ],
)
def test_the_table(
    call_status: str, reason: EndReason | None, ended: bool, bridged: bool, wanted: Next
) -> None:
    assert decide(call_status, reason, ended=ended, bridged=bridged) is wanted


@pytest.mark.parametrize(
    ("said", "bridged"),
    [
        ({"DialCallStatus": "completed", "DialBridged": "true"}, True),
        ({"DialCallStatus": "completed", "DialBridged": "false"}, False),
        ({"DialCallStatus": "completed"}, True),
        ({"DialCallStatus": "busy"}, False),
        ({}, False),
    ],
)
def test_twilio_may_not_say_whether_they_talked(said: dict[str, str], bridged: bool) -> None:
    assert were_bridged(TwilioForm(said.items())) is bridged


@pytest.mark.parametrize(
    ("state", "wanted"),
    [("dialling", after_stream.Next.PUT_THROUGH), ("failed", after_stream.Next.ATTACH_AGAIN)],
)
def test_a_transfer_that_twilio_was_not_told_of_is_made_when_it_asks(
    state: str, wanted: after_stream.Next
) -> None:
    transfer = Transfer("Front desk", "dialling" if state == "dialling" else "failed")
    assert after_stream.decide("in-progress", None, ended=False, transfer=transfer) is wanted
