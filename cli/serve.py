"""`callbridge serve`: the production server."""

from __future__ import annotations

import sys

import click


@click.command(short_help="The production server.")
@click.option("--no-migrate", is_flag=True, help="Leave the database's schema as it is.")
def serve(*, no_migrate: bool) -> None:
    """Migrate the database, then serve, bringing back any worker that dies.

    Refuses to start, naming every missing or bad setting, rather than standing anything in.
    """
    from cli.running import refuse_second
    from server.data_dir import AlreadyRunning
    from server.start import StartError, run_serve

    try:
        sys.exit(run_serve(migrate=not no_migrate))
    except StartError as error:
        raise click.ClickException(str(error)) from error
    except AlreadyRunning as running:
        raise refuse_second(running) from running
