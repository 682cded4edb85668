"""A run's plan replays from its seed, and its judge counts what went wrong with a call."""

from __future__ import annotations

import pytest

from bench.chaos import plan
from bench.chaos.caller import Injected, Recorded, answer_text, line_number, line_text
from bench.chaos.gaps import Usual
from bench.chaos.judge import TWO_AT_ONCE, Ordinary, Verdict, heard_ms, judge
from bench.chaos.plan import DEPLOYED, KILLED
from simulator.audio import mulaw
from simulator.audio.recording import stereo_wav
from simulator.audio.voice import tones

ROW = {"status": "completed", "ended_reason": "caller_hung_up"}
ONE, TWO = line_number(3, 0), line_number(3, 1)


def test_the_same_seed_gives_the_same_plan() -> None:
    assert plan.call(7, 3) == plan.call(7, 3) != plan.call(8, 3)
    assert plan.world(7, 300, 2) == plan.world(7, 300, 2) != plan.world(8, 300, 2)


def test_ten_minutes_of_sixteen_phones_hold_all_kinds() -> None:
    faults = [fault for number in range(150) for fault in plan.call(7, number).faults if fault]
    assert {fault.kind for fault in faults} == set(plan.KINDS)
    assert {fault.kind for fault in plan.world(7, 480, 2)} == {kind for kind, _ in plan.EVERYTHING}
    assert len(faults) > 500


def recorded(*sounds: tuple[str, int, bytes], injected: tuple[Injected, ...] = ()) -> Recorded:
    """A call of two lines; each sound on a side, from a millisecond on."""
    sides = {"caller": bytearray(mulaw.silence(30_000)), "agent": bytearray(mulaw.silence(30_000))}
    for side, at_ms, sound in sounds:
        sides[side][at_ms * 8 : at_ms * 8 + len(sound)] = sound
    moments = [{"type": "answered", "at_ms": 100}]
    for side, at_ms, sound in sounds:
        if side == "caller":
            moments.append({"type": "caller stopped speaking", "call_ms": at_ms + len(sound) // 8})
    moments.append({"type": "ended", "at_ms": 30_100, "by": "caller"})
    return Recorded(
        planned=plan.PlannedCall(3, (False, False), (None, None)),
        sid="CA1",
        moments=moments,
        wav=stereo_wav(bytes(sides["caller"]), bytes(sides["agent"])),
        sessions=[{"heard": said(ONE, TWO), "transcribed": told(ONE, TWO)}],
        injected=list(injected),
    )


def said(*numbers: int) -> list[str]:
    return [line_text(number, tool=False) for number in numbers]


def told(*numbers: int, at_s: float = 9.0) -> list[tuple[str, float]]:
    return [(text, at_s) for text in said(*numbers)]


def talk(answer_at_ms: int = 8_000, *extra: tuple[str, int, bytes], **more: tuple[Injected, ...]) -> Recorded:
    caller = tones(said(ONE)[0], "caller")
    return recorded(
        ("agent", 1_000, tones("Hello, this is Example. How can I help you?", "agent")),
        ("caller", 5_000, caller),
        ("agent", answer_at_ms, tones(answer_text(ONE, tool=False), "agent")),
        ("caller", 16_000, caller),
        ("agent", 19_500, tones(answer_text(TWO, tool=False), "agent")),
        *extra,
        **more,
    )


def ordinary() -> Ordinary:
    found = Ordinary([])
    found.of = dict.fromkeys(found.of, Usual(1_500, 200))
    return found


def verdict(call: Recorded, *kept: int) -> Verdict:
    return judge(call, ROW, [("caller", text) for text in said(*kept)], ordinary())


def test_a_good_call_has_nothing_wrong_with_it() -> None:
    assert verdict(talk(), ONE, TWO) == Verdict()


def test_a_late_answer_is_laid_to_the_fault_before_it() -> None:
    fault = Injected("model reset", 7_000)
    [gap] = verdict(talk(answer_at_ms=10_500, injected=(fault,)), ONE, TWO).gaps
    assert (gap.kind, gap.fault_ms) == ("model reset", 7_000)
    spoke_until_ms = 5_000 + len(tones(said(ONE)[0], "caller")) // 8
    assert abs(gap.ms - (10_500 - spoke_until_ms - 1_500)) < 100
    assert verdict(talk(answer_at_ms=10_500), ONE, TWO).unexplained


def test_lines_are_counted_where_they_were_told() -> None:
    assert verdict(talk(), ONE).lines_lost == [TWO]
    assert verdict(talk(), ONE, TWO, TWO).lines_doubled == [TWO]


@pytest.mark.parametrize("kind", ["stream cut", "model cut"])
def test_a_line_that_no_model_heard_is_lost_unless_the_phones_socket_was_down(kind: str) -> None:
    call = talk(injected=(Injected(kind, 16_500),))
    call.sessions = [{"heard": said(ONE), "transcribed": told(ONE)}]
    found = verdict(call, ONE)
    assert (found.lines_unheard, found.lines_lost) == (([TWO], []) if kind == "stream cut" else ([], [TWO]))


def test_two_faults_at_once_are_counted_apart() -> None:
    faults = (Injected("model cut", 6_000), Injected("model reset", 6_500))
    gaps = verdict(talk(answer_at_ms=10_500, injected=faults), ONE, TWO).gaps
    assert [(gap.kind, gap.ms > 0) for gap in gaps] == [("model cut", False), (TWO_AT_ONCE, True)]


def test_a_process_that_stops_strikes_a_call_when_its_stream_is_replaced():
    """Seconds later, in which what was being said is finished."""
    told = Injected(DEPLOYED.name, 2_000)
    call = talk(answer_at_ms=10_500, injected=(told, Injected("stream black hole", 6_500)))
    assert [gap.kind for gap in verdict(call, ONE, TWO).gaps if gap.ms] == ["stream black hole"]
    call.moments.append({"type": "stream ended", "at_ms": 6_000, "by": "network"})
    assert [gap.kind for gap in verdict(call, ONE, TWO).gaps if gap.ms] == [TWO_AT_ONCE]


def test_what_was_not_yet_durable_when_the_process_was_killed_is_not_lost() -> None:
    for late_ms, lost in ((900, []), (1_200, [TWO])):
        killed = talk(injected=(Injected(KILLED.name, 19_000 + late_ms),))
        killed.sessions[0]["transcribed"] = [*told(ONE), *told(TWO, at_s=19.1)]
        assert verdict(killed, ONE).lines_lost == lost


def test_a_call_that_its_caller_did_not_end_is_lost() -> None:
    call = talk()
    call.moments[-1]["by"] = "twiml"
    assert verdict(call, ONE, TWO).lost
    assert judge(talk(), None, [], ordinary()).lost


def test_how_long_an_answer_can_be_heard_is_known() -> None:
    text = answer_text(ONE, tool=False)
    assert 0.6 * len(tones(text)) / 8 < heard_ms(text) <= len(tones(text)) / 8


def test_after_a_finished_answer_the_agent_is_due_from_the_fault_on() -> None:
    """It had nothing left to say until then."""
    call = talk(
        8_000, ("agent", 14_300, tones("Where were we?", "agent")), injected=(Injected(KILLED.name, 13_000),)
    )
    [gap] = verdict(call, ONE, TWO).gaps
    assert 1_000 < gap.ms <= 1_300
