"""What is printed as measured was measured: markers, shares, verdicts."""

from __future__ import annotations

import base64

import pytest

from bench.figures import calls_within, row
from bench.load import marker
from bench.load.spec import Latency, Result, Window
from bench.load.tally import Counts, Samples
from bench.targets import Verdict, verdicts


def window(calls: float, cpu_us: float, p99_ms: float = 1.0) -> Window:
    up = Latency(count=1, p50=100, p99=p99_ms * 1000, worst=p99_ms * 1000)
    control = Latency(count=1, p50=100, p99=1000, worst=1000)
    return Window(
        calls=calls,
        seconds=6,
        cpu_us={"bridge": cpu_us, "postgres": 1.0},
        rss_kb=50,
        load_cpu=0.5,
        up=up,
        down=up,
        up_control=control,
        down_control=control,
    )


def result(*windows: Window, lost: int = 0, failed: int = 0) -> Result:
    counts = Counts(caller_frames=100, caller_frames_lost=lost, calls_failed=failed)
    return Result(
        windows=list(windows),
        clear=Latency(),
        clear_control=Latency(),
        greeting=Latency(),
        greeting_control=Latency(),
        dial_to_twiml=Latency(),
        failures={},
        sessions_left=0,
        idle_rss_kb=0,
        rss_over_time_kb=[],
        files_over_time=[],
        **{name: getattr(counts, name) for name in counts.__struct_fields__},
    )


def test_a_callers_frame_is_recognised_by_its_first_characters() -> None:
    """The load process reads 32 characters of each frame, not all of it."""
    frame = marker.base64_frame(7, 41)
    assert len(base64.b64decode(frame, validate=True)) == marker.FRAME_BYTES
    found = marker.read(frame[: marker.MARKER_CHARS])
    assert found is not None
    assert found[:3] == (7, 0, 41)


def test_a_delta_holds_a_marker_in_every_frame() -> None:
    audio = marker.decoded(marker.base64_delta(3, 2, 10, 4).encode())
    frames = [audio[at : at + marker.FRAME_BYTES] for at in range(0, len(audio), marker.FRAME_BYTES)]
    assert [found[:3] for frame in frames if (found := marker.unpack(frame))] == [
        (3, 2, 10),
        (3, 2, 11),
        (3, 2, 12),
        (3, 2, 13),
    ]


def test_audio_that_is_not_ours_is_no_marker() -> None:
    assert marker.unpack(b"\xff" * marker.FRAME_BYTES) is None


def test_percentiles_are_of_what_was_added() -> None:
    samples = Samples()
    for milliseconds in range(1, 101):
        samples.add(milliseconds * 1_000_000)
    summary = samples.summary()
    assert (summary.p50, summary.p99, summary.worst) == (50_000, 100_000, 100_000)


def test_a_growing_run_carries_what_came_before_the_first_window_over_the_limit() -> None:
    run = result(window(100, 1), window(150, 1, p99_ms=25), window(200, 1, p99_ms=5))
    assert calls_within(run, 20) == 100


def test_a_ratio_is_of_the_cheapest_windows_of_both_sides() -> None:
    rows = {
        "400": {
            "product": row("product", [result(window(400, 900), window(400, 650)), result(window(400, 700))]),
            "node": row("node", [result(window(400, 1300), window(400, 1400))]),
        }
    }
    times = next(one for one in verdicts(rows) if one.what == "400 calls: CPU, x Node")
    assert times.measured == pytest.approx(0.5)
    assert times.text == "met"


def test_a_run_whose_pass_through_was_slow_is_marked() -> None:
    """Or a busy machine would be taken for a slow bridge."""
    quiet, busy = window(400, 600), window(400, 600)
    busy.up_control = Latency(count=1, p50=100, p99=50_000, worst=50_000)
    assert row("product", [result(busy)]).disturbed
    # The run with the quietest pass-through is the one that is shown.
    assert not row("product", [result(busy), result(quiet)]).disturbed


def test_what_has_no_sample_is_not_met() -> None:
    """An empty latency is 0 us, which would be below any limit."""
    unheard = window(400, 600)
    unheard.up = unheard.down = Latency()
    rows = {
        "400": {"product": row("product", [result(unheard)])},
        "greeting": {"product": row("product", [result(unheard)])},
    }
    said = {one.what: one.text for one in verdicts(rows)}
    for what in (
        "400 calls: CPU, x Node",
        "400 calls: caller to model p50, x pass-through",
        "400 calls: model to caller p99, x pass-through",
        "400 calls: speech_started to clear, ms p50",
        "400 calls: longest time of one frame, ms (pass-through 1.0)",
        "greeting, beyond the model's own time, ms p50",
    ):
        assert said[what] == "NOT MEASURED"


def test_nothing_lost_of_nothing_is_no_proof() -> None:
    assert all(one.text == "NOT MEASURED" for one in verdicts({}))


def test_a_verdict_from_a_disturbed_run_says_so() -> None:
    busy = window(400, 600)
    busy.up_control = Latency(count=1, p50=100, p99=50_000, worst=50_000)
    rows = {
        "400": {"product": row("product", [result(busy)]), "node": row("node", [result(window(400, 1300))])}
    }
    times = next(one for one in verdicts(rows) if one.what == "400 calls: CPU, x Node")
    assert times.text == "met (disturbed)"


def test_calls_that_failed_are_a_missed_target() -> None:
    rows = {"churn": {"product": row("product", [result(window(1, 1), failed=1)])}}
    failed = next(one for one in verdicts(rows) if one.what == "calls that failed")
    assert (failed.measured, failed.text) == (1, "MISSED")


def test_a_single_lost_frame_is_a_missed_target() -> None:
    rows = {"churn": {"product": row("product", [result(window(1, 1)), result(window(1, 1), lost=1)])}}
    lost = next(one for one in verdicts(rows) if one.what.startswith("frames lost"))
    assert (lost.measured, lost.text) == (1, "MISSED")


@pytest.mark.parametrize(("measured", "text"), [(0.5, "met"), (0.6, "first step met"), (0.7, "MISSED")])
def test_a_verdict_tells_the_step_that_was_reached(measured: float, text: str) -> None:
    assert Verdict(what="CPU", measured=measured, first=0.62, second=0.55).text == text
