from __future__ import annotations

import datetime as dt
from typing import Any

from prometheus_client import CollectorRegistry

from bridge.call.ending import EndReason
from bridge.runtime.measured import Measured
from database.journal import Entry, EventEntry


def event(type_: str, offset_ms: int = 0, call_id: str = "call_1", **data: Any) -> EventEntry:
    return EventEntry(call_id, dt.datetime.now(dt.UTC), offset_ms, type_, data)


def figures(measured: Measured) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(measured)  # pyright: ignore[reportArgumentType] (it collects, as a Collector does)
    return registry


def test_what_is_measured_is_written_all_the_same() -> None:
    written: list[Entry] = []
    entry = event("agent.started_speaking", 300)
    Measured().before(written.append)(entry)
    assert written == [entry]


def test_the_first_audio_of_a_call_counts_once() -> None:
    measured = Measured()
    measured.read(event("agent.started_speaking", 300))
    measured.read(
        event("agent.started_speaking", 5000, response_ms=900, vad_ms=500, model_ms=398, bridge_ms=2)
    )
    found = figures(measured)
    assert found.get_sample_value("callbridge_first_audio_seconds_sum") == 0.3
    assert found.get_sample_value("callbridge_first_audio_seconds_count") == 1
    assert found.get_sample_value("callbridge_response_seconds_sum") == 0.9
    assert found.get_sample_value("callbridge_model_response_seconds_sum") == 0.398
    assert found.get_sample_value("callbridge_bridge_response_seconds_bucket", {"le": "0.002"}) == 1


def test_nothing_is_kept_of_a_call_that_is_gone() -> None:
    measured = Measured()
    measured.read(event("agent.started_speaking", 300))
    measured.call_left("call_1")
    assert not measured._heard


def test_gaps_are_measured_where_a_call_went_on() -> None:
    measured = Measured()
    for entry in (event("stream.lost"), event("stream.resumed", lost_for_ms=1500), event("model.error")):
        measured.read(entry)
    found = figures(measured)
    assert found.get_sample_value("callbridge_gap_seconds_sum") == 1.5
    assert found.get_sample_value("callbridge_model_errors_total") == 1


def test_endings_are_counted_by_reason_and_each_reason_is_there_from_the_start() -> None:
    """A rate of what has never happened yet is 0 and not unknown."""
    measured = Measured()
    measured.call_ended(EndReason.CALLER_HUNG_UP)
    found = figures(measured)
    assert found.get_sample_value("callbridge_calls_ended_total", {"reason": "caller_hung_up"}) == 1
    assert found.get_sample_value("callbridge_calls_ended_total", {"reason": "model_lost"}) == 0
