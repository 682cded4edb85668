"""What a trial call is judged to have shown, where Twilio does other than it is taken to do."""

from __future__ import annotations

from typing import Any

import pytest

from database.trial_reports import Report
from server.trial_call import judge


def report(step: str, what: str, at: float, **data: Any) -> Report:
    return Report(run="1", step=step, what=what, at=at, data=data)


def asked(step: str, at: float, **data: Any) -> Report:
    return report(
        step, "asked", at, **({"call_status": "in-progress", "token": "t", "error_code": ""} | data)
    )


GOOD = (
    asked("begin", 0.0),
    report("closed", "cleared", 2.0, marks=["one", "two"], ms=90),
    report("closed", "ended", 2.0),
    asked("after-closed", 2.2),
    report("aborted", "ended", 4.0, aborted=True),
    asked("after-aborted", 4.4),
    report("moved", "started", 5.0),
    report("moved", "stopped", 5.3, stopped=True),
    asked("moved", 5.4),
    asked("broken", 5.5),
    asked("broken", 5.6),
    asked("fallback", 5.8, error_code="11200"),
)


def wrong(*reports: Report) -> list[str]:
    return [finding.subject for finding in judge(reports) if not finding.ok]


def test_what_is_relied_on_is_good() -> None:
    assert wrong(*GOOD) == []


def test_the_redirect_will_do_where_action_is_not_honoured() -> None:
    other = [asked("after-closed-redirected", 2.2) if one.step == "after-closed" else one for one in GOOD]
    assert wrong(*other) == []
    assert "the Redirect, not action," in judge(other)[0].what


@pytest.mark.parametrize(
    ("step", "subject"),
    [
        ("after-closed", "a stream that we close"),
        ("after-aborted", "a stream that breaks"),
        ("broken", "retries of a webhook"),
        ("fallback", "fallback URL"),
        ("begin", "live call"),
    ],
)
def test_what_never_came_is_found(step: str, subject: str) -> None:
    assert wrong(*(one for one in GOOD if one.step != step)) == [subject]


def test_marks_tokens_and_statuses_that_are_not_right_are_found() -> None:
    other = [
        *(one for one in GOOD if one.step not in ("after-closed", "broken") and one.what != "cleared"),
        report("closed", "cleared", 2.0, marks=["one"], ms=1000),
        asked("after-closed", 2.2, call_status="completed"),
        asked("broken", 5.5, token="a"),
        asked("broken", 5.6, token="b"),
    ]
    assert wrong(*other) == ["a stream that we close", "clear", "retries of a webhook"]
