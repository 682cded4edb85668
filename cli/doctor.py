"""`callbridge doctor`: what stands between this installation and a phone call."""

from __future__ import annotations

import asyncio
import json
import sys

import click


@click.command(short_help="What stands between this installation and a call.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(*, as_json: bool) -> None:
    """Examine database, credentials, keys, addresses and the numbers' webhooks.

    Each finding comes with its mend. Ends with 1 when something is wrong.
    """
    from msgspec.structs import asdict

    from server.doctor import Finding, examine
    from server.start import StartError, settings_of_running

    async def run() -> list[Finding]:
        findings: list[Finding] = []
        async for finding in examine(settings_of_running()):
            findings.append(finding)
            if not as_json:
                _show(finding.subject, finding.what, finding.mend, ok=finding.ok)
        return findings

    try:
        findings = asyncio.run(run())
    except StartError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False, indent=2))
    sys.exit(0 if all(finding.ok for finding in findings) else 1)


def _show(subject: str, what: str, mend: str, *, ok: bool) -> None:
    mark = click.style("ok   ", fg="green") if ok else click.style("wrong", fg="red")
    click.echo(f"  {mark}  {subject:<14} {what}")
    if mend:
        click.echo(f"         {'':<14} {mend}")
