"""What a call's caller had to bear, and what was kept of it. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from bench.chaos.caller import Injected, Recorded, line_number
from bench.chaos.gaps import Silence, Usual, silences, spans, tracks, usual
from bench.chaos.plan import DEPLOYED, DRAINED, KILLED
from simulator.audio.recording import stereo_wav
from simulator.audio.voice import tones

AFTERMATH_MS = 15_000
"""A silence that begins later is not laid to a fault."""
LINE_MS = 2_500
"""No line of a caller takes longer to say."""
DURABLE_MS = 1_000
"""After the words of a caller's line were told to the server they are written down."""
MOVED_MS = 8_000
"""Within that a process that was told to stop has given its calls away."""
_NUMBER = re.compile(r"\bLine (\d+)")
TWO_AT_ONCE = "two of these at once"
AT_ONCE_MS = 4_000
"""Faults that far apart are seen as one by whoever has to mend them."""

Kept = Sequence[tuple[str, str]]
"""Role and text of a call's transcript."""


class Gap(Struct, frozen=True):
    kind: str
    ms: int
    """The longest silence that is laid to the fault; 0: nobody heard anything of it."""
    fault_ms: int = 0
    silence: Silence | None = None


class Verdict(Struct, kw_only=True):
    lost: str = ""
    """Why the call is; empty: it is not."""
    gaps: list[Gap] = field(default_factory=list[Gap])
    unexplained: list[int] = field(default_factory=list[int])
    """Silences beyond the usual that no fault preceded, in ms."""
    lines_lost: list[int] = field(default_factory=list[int])
    lines_doubled: list[int] = field(default_factory=list[int])
    lines_unheard: list[int] = field(default_factory=list[int])
    """Which no model ever heard: the media socket was down while they were spoken."""


def heard_ms(text: str) -> int:
    """How long this can be heard in the agent's practice voice."""
    speech = tones(text, "agent")
    _, agent = tracks(stereo_wav(b"", speech))
    return sum(ended - began for began, ended in spans(agent, pause_ms=0, shortest_ms=60))


def silences_of(recorded: Recorded) -> list[Silence]:
    caller, agent = tracks(recorded.wav)
    return silences(caller, agent, answers_ms=[heard_ms(text) for text in recorded.answers])


class Ordinary:
    """The silences of calls that nothing happened to, by what the agent was to say."""

    def __init__(self, calls: Sequence[Recorded]) -> None:
        grouped: dict[str, list[Silence]] = {"greeting": [], "echo": [], "tool": []}
        for recorded in calls:
            for silence in silences_of(recorded):
                grouped[topic(recorded, silence)].append(silence)
        self.of: dict[str, Usual] = {name: usual(found) for name, found in grouped.items()}

    def gap_ms(self, recorded: Recorded, silence: Silence) -> int:
        return self.of[topic(recorded, silence)].gap_ms(silence)


def topic(recorded: Recorded, silence: Silence) -> str:
    if silence.utterance == 0:
        return "greeting"
    tools = recorded.planned.tools
    return "tool" if tools[min(silence.utterance, len(tools)) - 1] else "echo"


def judge(recorded: Recorded, row: Mapping[str, Any] | None, kept: Kept, ordinary: Ordinary) -> Verdict:
    """`row`: the call as `/v1/calls` has it; `kept`: its transcript."""
    verdict = Verdict(lost=_lost(recorded, row))
    _lay_silences(recorded, ordinary, verdict)
    _count_lines(recorded, kept, verdict)
    return verdict


def _lost(recorded: Recorded, row: Mapping[str, Any] | None) -> str:
    ended = recorded.all("ended")
    if not ended or ended[0]["by"] != "caller":
        return f"ended by {ended[0]['by'] if ended else 'nobody'}: {row and row['ended_reason']}"
    if row is None:
        return "has no row"
    if (row["status"], row["ended_reason"]) != ("completed", "caller_hung_up"):
        return f"is {row['status']}, {row['ended_reason']}"
    return ""


def _lay_silences(recorded: Recorded, ordinary: Ordinary, verdict: Verdict) -> None:
    faults = sorted((_when_felt(recorded, fault) for fault in recorded.injected), key=lambda one: one.at_ms)
    longest: list[Gap] = [Gap(fault.kind, 0, fault.at_ms) for fault in faults]
    for silence in silences_of(recorded):
        gap_ms = ordinary.gap_ms(recorded, silence)
        before = [
            number
            for number, fault in enumerate(faults)
            if fault.at_ms < silence.ended_ms and silence.began_ms - fault.at_ms < AFTERMATH_MS
        ]
        if before and silence.finished:
            gap_ms = min(gap_ms, max(0, silence.ended_ms - faults[before[-1]].at_ms))
        if before and gap_ms > longest[before[-1]].ms:
            fault = faults[before[-1]]
            near = [faults[n] for n in before if silence.began_ms - faults[n].at_ms < AT_ONCE_MS]
            kind = fault.kind if len(near) < 2 else TWO_AT_ONCE
            longest[before[-1]] = Gap(kind, gap_ms, fault.at_ms, silence)
        elif gap_ms and not before:
            verdict.unexplained.append(gap_ms)
    verdict.gaps = longest


def _when_felt(recorded: Recorded, fault: Injected) -> Injected:
    """A process that is told to stop lets what is being said be finished: it strikes a call when the stream
    is replaced."""
    if fault.kind not in (DRAINED.name, DEPLOYED.name):
        return fault
    answered_ms = recorded.answered_ms or 0
    ends_ms = [one["at_ms"] - answered_ms for one in recorded.all("stream ended") if one["by"] == "network"]
    felt_ms = [at_ms for at_ms in ends_ms if 0 <= at_ms - fault.at_ms <= MOVED_MS]
    return Injected(fault.kind, min(felt_ms, default=fault.at_ms))


def _count_lines(recorded: Recorded, kept: Kept, verdict: Verdict) -> None:
    """A line that was heard in two halves, by two sessions, was heard twice."""
    heard: Counter[int] = Counter()
    told: dict[int, list[int]] = {}
    for session in recorded.sessions:
        heard.update(_numbers(session["heard"]))
        for text, at_s in session["transcribed"]:
            for number in _numbers([text]):
                told.setdefault(number, []).append(recorded.since_answer_ms(at_s))
    written = Counter(_numbers(text for role, text in kept if role == "caller"))
    spoken_ms = [moment["call_ms"] for moment in recorded.all("caller stopped speaking")]
    kills_ms = [fault.at_ms for fault in recorded.injected if fault.kind == KILLED.name]
    for line, ended_ms in zip(range(len(recorded.planned.tools)), spoken_ms, strict=False):
        number = line_number(recorded.planned.number, line)
        told_ms = told.get(number, [])
        fresh = any(-200 < kill_ms - min(told_ms) < DURABLE_MS for kill_ms in kills_ms if told_ms)
        if not heard[number] and _phone_was_struck(recorded, ended_ms):
            verdict.lines_unheard.append(number)
        elif not heard[number] or (told_ms and not written[number] and not fresh):
            verdict.lines_lost.append(number)
        if written[number] > max(1, len(told_ms)):
            verdict.lines_doubled.append(number)


def _phone_was_struck(recorded: Recorded, ended_ms: int) -> bool:
    """Something else than the model's leg, while that line was spoken or just before or after."""
    since_ms, until_ms = ended_ms - LINE_MS - AT_ONCE_MS, ended_ms + AT_ONCE_MS
    return any(
        since_ms <= fault.at_ms <= until_ms and not fault.kind.startswith("model")
        for fault in recorded.injected
    )


def _numbers(texts: Any) -> list[int]:
    return [int(number) for text in texts for number in _NUMBER.findall(text)]
