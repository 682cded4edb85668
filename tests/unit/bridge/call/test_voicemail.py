"""A person is talked to, a machine gets what the policy says: when, and by whose word."""

from __future__ import annotations

from typing import Literal

import pytest

from bridge.call.agent import Voicemail
from bridge.call.limits import LIMITS
from bridge.call.voicemail import ANSWERED_BY, Act, Answering

Policy = Literal["hang_up", "leave_message", "carry_on"]
N, W, L, H = Act.NOTHING, Act.WAIT, Act.LEAVE_MESSAGE, Act.HANG_UP


def answering(policy: Policy | None) -> Answering:
    return Answering(None if policy is None else Voicemail(on_machine=policy, message="Hi."), LIMITS)


@pytest.mark.parametrize(
    ("answered_by", "hang_up", "leave_message"),
    [
        ("human", N, N),
        ("unknown", N, N),
        ("machine_start", H, W),
        ("machine_end_beep", H, L),
        ("machine_end_silence", H, L),
        ("machine_end_other", H, L),
        ("fax", H, H),
    ],
)
def test_twilios_verdict_has_its_act(answered_by: str, hang_up: Act, leave_message: Act) -> None:
    assert answering("hang_up").twilio_says(answered_by) is hang_up
    assert answering("leave_message").twilio_says(answered_by) is leave_message
    for policy in ("carry_on", None):
        kept = answering(policy)
        assert kept.twilio_says(answered_by) is N
        assert (kept.answered_by, kept.by) == (answered_by, "twilio")


def test_every_verdict_of_twilios_is_in_the_table() -> None:
    assert len(ANSWERED_BY) == 7


def test_a_verdict_counts_once() -> None:
    """Webhooks are repeated; a message is not."""
    it = answering("leave_message")
    assert it.twilio_says("machine_end_beep") is L
    assert it.twilio_says("machine_end_beep") is N
    assert it.twilio_says("human") is N
    assert it.answered_by == "machine_end_beep"
    assert it.twilio_says("a new word of Twilio's") is N


def test_an_agent_that_hears_a_machine_is_believed() -> None:
    """Twilio takes a short, lively greeting for a person."""
    it = answering("hang_up")
    assert it.twilio_says("human") is N
    assert it.agent_reports(10.0) is H
    assert (it.answered_by, it.by) == ("machine_start", "agent")


def test_a_report_before_the_verdict_waits_for_the_beep() -> None:
    it = answering("leave_message")
    assert it.agent_reports(10.0) is W
    assert it.waiting
    assert it.agent_reports(11.0) is N
    assert it.twilio_says("machine_end_beep") is L
    assert not it.waiting
    assert it.due_at() is None
    assert (it.answered_by, it.by) == ("machine_end_beep", "twilio")


def test_a_person_by_twilios_word_does_not_undo_the_report() -> None:
    it = answering("leave_message")
    it.agent_reports(10.0)
    assert it.twilio_says("human") is N
    assert (it.answered_by, it.by) == ("machine_start", "agent")
    assert it.waiting


def test_without_a_beep_the_message_is_left_when_the_machine_has_been_silent() -> None:
    it = answering("leave_message")
    it.twilio_says("human")
    it.machine_speaks()
    it.agent_reports(10.0)
    assert it.due_at() == 40.0, "it still speaks: the beep may come"
    it.machine_pauses(14.0)
    assert it.due_at() == 16.0
    it.machine_speaks()
    assert it.due_at() == 40.0
    it.machine_pauses(39.5)
    assert it.due_at() == 40.0
    assert it.no_beep_came() is L
    assert it.due_at() is None


def test_while_twilio_may_still_tell_of_the_beep_silence_lasts_longer() -> None:
    it = answering("leave_message")
    it.machine_pauses(9.0)
    it.agent_reports(10.0)
    assert it.due_at() == 14.0
    it.twilio_says("unknown")
    assert it.due_at() == 12.0
