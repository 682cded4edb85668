"""`make bench`: the product and its peers side by side, interleaved, on this machine; a table of ratios."""

from __future__ import annotations

import signal
import sys
import time

import click
from msgspec.structs import replace

from bench import bridges, results, tables
from bench.bridges import NotStarted
from bench.cgroup import NoCgroup
from bench.figures import Row, row
from bench.load.spec import Result
from bench.measure import measure
from bench.scenarios import EVERY, MAIN, QUICK, Scenario, hours
from bench.targets import Rows

MEMORY_MB = 8.0
"""That a minute of churn may grow by: 150 calls that each kept 40 KB would pass it."""
MORE_FILES = 20


@click.command()
@click.option("--quick", is_flag=True, help="A shorter run, one repeat of each.")
@click.option("--scenarios", "wanted", default="", help=f"Of {', '.join(EVERY)}; comma-separated.")
@click.option("--bridges", "only", default="", help="Of product, node, c, bare, litestar; comma-separated.")
@click.option("--repeats", type=int, default=0, help="Instead of each scenario's own.")
@click.option("--write", is_flag=True, help="Write docs/performance.md.")
@click.option(
    "--page", "only_write", is_flag=True, help="Write it of what was measured last, measuring nothing."
)
@click.option("--leaks", is_flag=True, help="A minute of calls coming and going; fails on what stays behind.")
@click.option("--minutes", type=float, default=60, show_default=True, help="Of the scenario `hour`.")
def main(
    *,
    quick: bool,
    wanted: str,
    only: str,
    repeats: int,
    write: bool,
    only_write: bool,
    leaks: bool,
    minutes: float,
) -> None:
    """Measure with all features on. Nothing else should run on the machine meanwhile."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as by Ctrl-C, what was started is stopped
    if only_write:
        results.write_page()
        return
    names = ("leaks",) if leaks else tuple(wanted.split(",")) if wanted else QUICK if quick else MAIN
    unknown = [name for name in names if name not in EVERY]
    if unknown:
        raise click.ClickException(f"There is no scenario {', '.join(unknown)}.")
    chosen = [hours(minutes) if name == "hour" else EVERY[name] for name in names]
    if repeats or quick:
        chosen = [replace(one, repeats=repeats or 1) for one in chosen]
    if only:
        kept = only.split(",")
        chosen = [replace(one, bridges=tuple(b for b in one.bridges if b in kept)) for one in chosen]
    try:
        bridges.prepare(sorted({bridge for one in chosen for bridge in one.bridges}))
        rows = run(chosen)
    except NotStarted as error:
        raise click.ClickException(str(error)) from error
    click.echo(tables.targets(rows))
    if write:
        results.write_page()
    if leaks:
        sys.exit(left_behind(rows["leaks"]["product"]))


def run(chosen: list[Scenario]) -> Rows:
    rows: Rows = {}
    for scenario in chosen:
        found: dict[str, list[Result]] = {}
        for repeat in range(scenario.repeats):
            for bridge in scenario.bridges:
                began = time.monotonic()
                try:
                    result = measure(bridge, scenario)
                except NoCgroup as error:
                    click.echo(f"SKIPPED: {scenario.title}: no cgroup can be made here ({error})", err=True)
                    break
                found.setdefault(bridge, []).append(result)
                click.echo(
                    f"{scenario.name:>14} {bridge:<9} {repeat + 1}/{scenario.repeats}"
                    f" {time.monotonic() - began:5.0f} s",
                    err=True,
                )
                for what, times in result.failures.items():
                    click.echo(f"{'':>14} {times} x {what}", err=True)
        if found:
            rows[scenario.name] = {bridge: row(bridge, runs) for bridge, runs in found.items()}
            results.keep(scenario, rows[scenario.name])
            click.echo(tables.every({scenario.name: rows[scenario.name]}, {scenario.name: scenario.title}))
    return rows


def left_behind(measured: Row) -> int:
    """Says what a minute of calls left. The exit code."""
    result = measured.last
    half = len(result.rss_over_time_kb) // 2
    before, after = result.rss_over_time_kb[half - 2 : half + 1], result.rss_over_time_kb[-3:]
    grown_mb = (sum(after) - sum(before)) / 3 / 1024
    more_files = max(result.files_over_time[-3:]) - max(result.files_over_time[half - 2 : half + 1])
    wrong = [
        text
        for text, bad in (
            (f"memory grew by {grown_mb:.1f} MB in half a minute", grown_mb > MEMORY_MB),
            (f"{more_files} more files are open", more_files > MORE_FILES),
            (f"{result.sessions_left} model sessions are still open", result.sessions_left > 0),
            (f"{result.calls_failed} calls failed", result.calls_failed > 0),
        )
        if bad
    ]
    click.echo("\n".join(wrong) or f"Nothing stays behind: {grown_mb:+.1f} MB, {more_files:+d} files.")
    if wrong and measured.disturbed:
        click.echo("SKIPPED: something else used these cores, which says nothing about the bridge.")
        return 0
    return int(bool(wrong))


if __name__ == "__main__":
    main()
