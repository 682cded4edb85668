"""Rows as Markdown."""

from __future__ import annotations

from collections.abc import Mapping

from bench.figures import Row, calls_within, ratio, times_control
from bench.load.spec import Latency
from bench.scenarios import EVERY, OURS
from bench.targets import Rows, verdicts

NAMES = {
    "product": "**Callbridge**",
    "recording": "Callbridge, recording",
    "tools": "Callbridge, tools of 5 s",
    "node": "Node `ws`",
    "c": "C epoll relay",
    "bare": "Python, audio only",
    "litestar": "Litestar, plainly",
}
DISTURBED = (
    "*Disturbed: something else used these cores, the pass-through itself was slow. These rows say nothing.*"
)
STEADY_HEAD = (
    "bridge",
    "calls",
    "CPU us per call-second",
    "x Node",
    "x C",
    "up p50 / p99 us",
    "x control",
    "down p50 / p99 us",
    "x control",
    "worst up ms",
    "clear p50 ms",
    "KB per call",
    "Postgres us",
    "load core",
)


def table(head: tuple[str, ...], lines: list[list[str]]) -> str:
    ruled = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join([*ruled, *("| " + " | ".join(line) + " |" for line in lines)])


def steady(rows: dict[str, Row]) -> str:
    node, c = rows.get("node"), rows.get("c")
    shown = table(STEADY_HEAD, [_steady(one, node, c) for one in rows.values()])
    return f"{shown}\n\n{DISTURBED}" if any(one.disturbed for one in rows.values()) else shown


def _steady(one: Row, node: Row | None, c: Row | None) -> list[str]:
    window = one.window
    return [
        NAMES[one.bridge] + (" (disturbed)" if one.disturbed else ""),
        f"{window.calls:.0f}",
        f"{one.cpu_us:.0f}",
        _times(ratio(one.cpu_us, node.cpu_us) if node else None),
        _times(ratio(one.cpu_us, c.cpu_us) if c else None),
        _pair(window.up),
        _pair_of_times(times_control(window.up, window.up_control)),
        _pair(window.down),
        _pair_of_times(times_control(window.down, window.down_control)),
        f"{window.up.worst / 1000:.1f} ({window.up_control.worst / 1000:.1f})",
        f"{one.last.clear.p50 / 1000:.2f}" if one.last.clear.count else "-",
        f"{one.rss_kb:.0f}",
        f"{one.postgres_us:.0f}" if one.bridge in OURS else "-",
        f"{one.load_cpu:.2f}",
    ]


def coming_and_going(rows: dict[str, Row]) -> str:
    head = (
        "bridge",
        "calls",
        "failed",
        "CPU us per call-second",
        "start to audio, less model, ms p50 / p99",
        "webhook ms p50 / p99",
        "worst up ms",
        "lost at start",
        "lost later",
        "agent frames lost",
        "sessions left",
    )
    lines: list[list[str]] = []
    for one in rows.values():
        last = one.last
        lines.append(
            [
                NAMES[one.bridge],
                str(last.calls_made),
                str(last.calls_failed),
                f"{one.cpu_us:.0f}",
                f"{last.greeting.p50 / 1000:.1f} / {last.greeting.p99 / 1000:.1f}",
                f"{last.dial_to_twiml.p50 / 1000:.1f} / {last.dial_to_twiml.p99 / 1000:.1f}"
                if last.dial_to_twiml.count
                else "-",
                f"{one.window.up.worst / 1000:.1f} ({one.window.up_control.worst / 1000:.1f})",
                str(last.caller_frames_lost_at_start),
                str(last.caller_frames_lost + last.caller_frames_lost_at_end + last.caller_frames_disordered),
                str(last.agent_frames_lost + last.agent_frames_disordered),
                str(one.sessions_left),
            ]
        )
    return table(head, lines)


def all_in(one: Row) -> str:
    """What a server carries on which all of it runs."""
    total = one.cpu_us + one.caddy_us + one.postgres_us
    line = [
        f"{one.window.calls:.0f}",
        f"{one.cpu_us:.0f}",
        f"{one.caddy_us:.0f}",
        f"{one.postgres_us:.0f}",
        f"{total:.0f}",
        f"{1e6 / total:.0f}" if total else "-",
        f"{0.7e6 / total:.0f}" if total else "-",
        _pair(one.window.up),
    ]
    head = (
        "calls up",
        "bridge us",
        "Caddy us",
        "Postgres us",
        "sum",
        "calls on a full core",
        "at 70 % of it",
        "up p50 / p99 us",
    )
    carries = (
        "A server of $5 to $10 a month has one core. At 70 % of one like this it carries "
        f"**{0.7e6 / total:.0f} calls**, Caddy, TLS both ways and Postgres included."
        if total
        else "Not measured."
    )
    marked = f"\n\n{DISTURBED}" if one.disturbed else ""
    return f"{table(head, [line])}\n\n{carries}{marked}"


def growing(one: Row) -> str:
    head = ("calls", "up p50 / p99 us", "bridge us per call-second")
    lines = [[f"{w.calls:.0f}", _pair(w.up), f"{w.cpu_us['bridge']:.0f}"] for w in one.last.windows]
    carried = calls_within(one.last, 20)
    return (
        f"{table(head, lines)}\n\n"
        f"{carried} calls on half a core before p99 passes 20 ms: {2 * carried} a core."
    )


def memory(one: Row) -> str:
    rss = " ".join(f"{kb / 1024:.1f}" for kb in one.last.rss_over_time_kb)
    files = " ".join(str(count) for count in one.last.files_over_time)
    return (
        f"Resident MB over the time: {rss}\n\nOpen files: {files}\n\n"
        f"Idle before: {one.last.idle_rss_kb / 1024:.1f} MB."
    )


def targets(rows: Rows) -> str:
    lines = [
        [
            one.what,
            "-" if one.measured is None else f"{one.measured:.2f}",
            f"{'>=' if one.at_least else '<='} {one.first:g}",
            "" if one.second is None else f"<= {one.second:g}",
            one.text,
        ]
        for one in verdicts(rows)
    ]
    return table(("target", "measured", "limit", "in the end", ""), lines)


def every(rows: Rows, titles: Mapping[str, str]) -> str:
    parts: list[str] = []
    for name, of in rows.items():
        scenario = EVERY[name]
        if scenario.caddy:
            shown = all_in(of["product"])
        elif scenario.step:
            shown = growing(of["product"])
        elif scenario.calls_per_second:
            shown = coming_and_going(of)
            if scenario.name in ("hour", "leaks"):
                shown += f"\n\n{memory(of['product'])}"
        else:
            shown = steady(of)
        parts.append(f"### {titles[name]}\n\n{shown}\n")
    return "\n".join(parts)


def _pair(latency: Latency) -> str:
    return f"{latency.p50:.0f} / {latency.p99:.0f}"


def _times(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _pair_of_times(pair: tuple[float | None, float | None]) -> str:
    return f"{_times(pair[0])} / {_times(pair[1])}"
