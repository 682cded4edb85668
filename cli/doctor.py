"""`callbridge doctor`: what stands between this installation and a phone call."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from server.doctor import Finding


@click.command(short_help="What stands between this installation and a call.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--live-call", "live_call", metavar="NUMBER", help="Call this phone, and see what Twilio does.")
@click.option("--from", "from_", metavar="NUMBER", help="The number that calls; else the account's oldest.")
@click.option("--yes", is_flag=True, help="Do not ask before the call is placed.")
def doctor(*, as_json: bool, live_call: str | None, from_: str | None, yes: bool) -> None:
    """Examine database, credentials, keys, addresses and the numbers' webhooks.

    Each finding comes with its mend. Ends with 1 when something is wrong.

    With --live-call Twilio calls a phone once, which somebody must answer: they hear a soft tone for ten
    seconds while media streams are closed, broken and replaced. It finds out whether Twilio does what
    the resuming of calls relies on.
    """
    from msgspec.structs import asdict

    from server.start import StartError, settings_of_running

    async def run() -> list[Finding]:
        found: list[Finding] = []
        async for finding in _findings(live_call, from_):
            found.append(finding)
            if not as_json:
                _show(finding.subject, finding.what, finding.mend, ok=finding.ok)
        return found

    try:
        settings_of_running()
        if live_call is not None and not yes:
            _agree(live_call)
        findings = asyncio.run(run())
    except StartError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False, indent=2))
    sys.exit(0 if all(finding.ok for finding in findings) else 1)


def _findings(live_call: str | None, from_: str | None) -> AsyncGenerator[Finding]:
    from server.doctor import examine
    from server.start import settings_of_running
    from server.trial_call import try_a_call

    settings = settings_of_running()
    return examine(settings) if live_call is None else try_a_call(settings, live_call, from_)


def _agree(number: str) -> None:
    """Raises click.Abort."""
    from server.trial_call import PRICE

    click.echo(f"Twilio will call {number} once, for about ten seconds. It costs {PRICE}.", err=True)
    click.confirm("Whose phone it is has agreed, and will answer?", abort=True, err=True)


def _show(subject: str, what: str, mend: str, *, ok: bool) -> None:
    mark = click.style("ok   ", fg="green") if ok else click.style("wrong", fg="red")
    click.echo(f"  {mark}  {subject:<14} {what}")
    if mend:
        click.echo(f"         {'':<14} {mend}")
