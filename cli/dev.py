"""`callbridge dev`: a server with practice stand-ins, and the screen that greets a newcomer."""

from __future__ import annotations

import sys

import click


@click.command(short_help="The server, with stand-ins for what is not configured.")
def dev() -> None:
    """Run the server with practice stand-ins for whatever is not configured.

    Needs no account, no Docker and no database server. Ctrl-C ends it.
    """
    from cli.first_screen import first_screen
    from cli.running import refuse_second
    from server.data_dir import AlreadyRunning
    from server.start import Started, StartError, run_dev

    def show(started: Started) -> None:
        click.echo("\n".join(first_screen(started)))

    try:
        sys.exit(run_dev(show))
    except StartError as error:
        raise click.ClickException(str(error)) from error
    except AlreadyRunning as running:
        raise refuse_second(running) from running
