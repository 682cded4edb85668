from __future__ import annotations

from server.logging import Redactor


def test_secrets_numbers_and_keys_do_not_reach_the_log() -> None:
    clean = Redactor(["a-secret-of-ours", "short"])
    event = {
        "event": "call_started",
        "caller": "+12125550123",
        "error": "refused: Bearer cb_abcdefghijkl and sk-proj-abcdefghijk",
        "nested": {
            "urls": ["postgresql://u:a-secret-of-ours@db"],
            "exception": ValueError("from +442079460102"),
        },
        "duration_ms": 12,
        "ok": True,
        "nothing": None,
    }
    shown = repr(clean(None, "info", event))
    for private in ("2125550123", "cb_abcdefghijkl", "sk-proj", "a-secret-of-ours", "442079460102"):
        assert private not in shown
    assert "'duration_ms': 12" in shown
    assert "'event': 'call_started'" in shown


def test_ids_and_times_stay_readable() -> None:
    text = (
        "call_01a20505165dda0c529ff8e246a052dc CA0123456789abcdef0123456789abcdef 2026-11-22T20:49:09+00:00"
    )
    assert Redactor([]).clean(text) == text
