"""What came of a run, as it is printed and as it stands in docs/reliability.md."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.chaos.caller import Recorded, line_number
from bench.chaos.judge import TWO_AT_ONCE
from bench.chaos.plan import BLACK_HOLES, EVERYTHING, KINDS
from bench.chaos.run import Outcome
from bench.measure import machine

GAP_MS = 2_000
BLACK_HOLE_MS = 3_000
CONTEXT_MS = 6_000
"""Of what is shown of a call before something went wrong."""
BEGIN, END = "<!-- chaos -->", "<!-- /chaos -->"


def share(values: Sequence[int], percent: float) -> int:
    """The smallest value that so many percent do not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0


class Summary:
    """The figures that the targets are about."""

    def __init__(self, outcome: Outcome) -> None:
        verdicts = [verdict for _, verdict in outcome.calls]
        gaps = [gap for verdict in verdicts for gap in verdict.gaps]
        self.calls = len(verdicts)
        self.faults = outcome.deeds.total()
        self.lost = [verdict.lost for verdict in verdicts if verdict.lost]
        self.by_kind: dict[str, list[int]] = {}
        for gap in gaps:
            self.by_kind.setdefault(gap.kind, []).append(gap.ms)
        self.gaps = [gap.ms for gap in gaps if gap.kind not in (*BLACK_HOLES, TWO_AT_ONCE)]
        self.black_holes = [gap.ms for gap in gaps if gap.kind in BLACK_HOLES]
        self.unexplained = [ms for verdict in verdicts for ms in verdict.unexplained]
        self.lines_lost = sum(len(verdict.lines_lost) for verdict in verdicts)
        self.lines_doubled = sum(len(verdict.lines_doubled) for verdict in verdicts)
        self.lines_unheard = sum(len(verdict.lines_unheard) for verdict in verdicts)
        self.tools_run_twice = len(outcome.tools_run_twice)
        self.tools_run = outcome.tools_run

    def missed(self) -> list[str]:
        """The targets that were."""
        found = {
            "a call was lost": bool(self.lost),
            "a transcript line was lost": self.lines_lost > 0,
            "a transcript line was doubled": self.lines_doubled > 0,
            "a tool ran twice": self.tools_run_twice > 0,
            f"a gap's p99 is above {GAP_MS} ms": share(self.gaps, 99) > GAP_MS,
            f"a black hole's gap is above {BLACK_HOLE_MS} ms": max(self.black_holes, default=0)
            > BLACK_HOLE_MS,
        }
        return [what for what, true in found.items() if true]


def latencies(outcome: Outcome) -> str:
    """The simulator's, which every gap contains."""
    named = [
        f"{side} {name} {value}" for side in ("network", "model") for name, value in _shown(outcome, side)
    ]
    usual = [f"{name} {of.answer_ms}/{of.speech_ms}" for name, of in outcome.ordinary.of.items()]
    return (
        f"The simulator: {', '.join(named)}.\n"
        f"Longest silences while nothing was wrong, before an answer/within it, ms: {', '.join(usual)}."
    )


def _shown(outcome: Outcome, side: str) -> list[tuple[str, object]]:
    return [(name, value) for name, value in outcome.timing[side].items() if not isinstance(value, list)]


def rows(outcome: Outcome, summary: Summary) -> list[tuple[str, ...]]:
    names = [kind.name for kind in KINDS] + [kind.name for kind, _ in EVERYTHING]
    lines: list[tuple[str, ...]] = []
    for name in names:
        gaps = summary.by_kind.get(name, [])
        if not outcome.deeds[name]:
            continue
        figures = (len(gaps), share(gaps, 50), share(gaps, 99), max(gaps, default=0))
        lines.append((name, str(outcome.deeds[name]), *map(str, figures)))
    if both := summary.by_kind.get(TWO_AT_ONCE):
        lines.append((TWO_AT_ONCE, "", *map(str, (len(both), share(both, 50), share(both, 99), max(both)))))
    return lines


def markdown(outcome: Outcome, summary: Summary) -> str:
    head = ("what happened", "times", "to calls", "gap p50", "p99", "worst, ms")
    ruled = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    table = "\n".join([*ruled, *("| " + " | ".join(row) + " |" for row in rows(outcome, summary))])
    return f"{table}\n\n{verdict(outcome, summary)}"


def verdict(outcome: Outcome, summary: Summary) -> str:
    def figures(gaps: Sequence[int]) -> str:
        return f"p50 {share(gaps, 50)}, p99 {share(gaps, 99)}, worst {max(gaps, default=0)} ms"

    lines = [
        f"{summary.calls} calls, {summary.faults} faults in {outcome.seconds:g} s, seed {outcome.seed}.",
        f"Calls lost: {len(summary.lost)}. Transcript lines lost: {summary.lines_lost}, doubled: "
        f"{summary.lines_doubled}. Tools run: {summary.tools_run}, twice: {summary.tools_run_twice}.",
        f"Gap: {figures(summary.gaps)}. Black holes: {figures(summary.black_holes)}.",
        f"Callers' lines that no model heard, as the media socket was down: {summary.lines_unheard}.",
        f"Silences that no fault explains: {len(summary.unexplained)}, "
        f"worst {max(summary.unexplained, default=0)} ms.",
    ]
    missed = summary.missed()
    lines.append(f"Targets missed: {'; '.join(missed)}." if missed else "Every target is met.")
    if outcome.skipped:
        lines.append(f"Not injected, as this system does not let us: {', '.join(outcome.skipped)}.")
    return "\n".join(lines)


def troubles(outcome: Outcome) -> list[str]:
    """Each once, with how often: to be looked into."""
    found: Counter[str] = Counter()
    for recorded, one in outcome.calls:
        if one.lost:
            since_ms = int((recorded.moments or [{"at_ms": 0}])[-1]["at_ms"]) - 3 * CONTEXT_MS
            found[f"lost ({recorded.caller}): {one.lost}; {story(recorded, since_ms)}"] += 1
        mine = range(line_number(recorded.planned.number, 0), line_number(recorded.planned.number + 1, 0))
        for number in (line for line in outcome.tools_run_twice if line in mine):
            found[f"the tool of line {number} ran twice; {story(recorded)}"] += 1
        found.update(f"line {number} is not in the transcript" for number in one.lines_lost)
        found.update(f"line {number} is in the transcript twice" for number in one.lines_doubled)
        for gap in one.gaps:
            if gap.ms > GAP_MS and gap.silence is not None:
                began_ms, ended_ms = gap.silence.began_ms, gap.silence.ended_ms
                found[
                    f"gap of {gap.ms} ms ({recorded.caller}) from {began_ms} to {ended_ms}: {gap.kind} at "
                    f"{gap.fault_ms}; {story(recorded, gap.fault_ms - CONTEXT_MS, ended_ms + 500)}"
                ] += 1
    return [f"{times} x {what}" for what, times in found.most_common()]


def story(recorded: Recorded, since_ms: int = 0, until_ms: int = 10**9) -> str:
    """A part of a call in a line; milliseconds since the answer."""
    answered_ms = recorded.answered_ms or 0
    told = [(moment["at_ms"] - answered_ms, moment) for moment in recorded.moments]
    faults = [f"{one.at_ms} {one.kind}" for one in recorded.injected if since_ms <= one.at_ms <= until_ms]
    shown = [
        f"{at_ms} {moment['type']} {_detail(moment)}".strip()
        for at_ms, moment in told
        if since_ms <= at_ms <= until_ms
    ]
    return f"faults: {', '.join(faults)}; story: {', '.join(shown)}"


def _detail(moment: dict[str, Any]) -> str:
    shown = ("url", "tries", "verbs", "why", "code", "by", "text", "fault")
    return " ".join(str(moment[name]) for name in shown if moment.get(name))


def write(page: Path, outcome: Outcome, summary: Summary) -> None:
    """Between the markers of that page."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    today = dt.datetime.now(dt.UTC).date()
    began = f"Measured by `make chaos` on {today}: {machine()}."
    text = "\n\n".join([began, latencies(outcome), markdown(outcome, summary)])
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
