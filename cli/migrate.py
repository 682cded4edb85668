"""`callbridge migrate`: bring the database to this version's schema."""

from __future__ import annotations

import asyncio
import json

import click


@click.command(short_help="Bring the database to this version's schema.")
@click.option(
    "--to", "revision", default="head", show_default=True, help="A revision's number; `base` for none."
)
@click.option("--down", is_flag=True, help="Go back to the revision given with --to.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def migrate(*, revision: str, down: bool, as_json: bool) -> None:
    """Bring the database at DATABASE_URL to this version's schema."""
    from alembic.util import CommandError

    from database.migrate import MigrationError, downgrade, upgrade
    from database.schema import ForeignSchema
    from server.start import StartError, read_settings

    if down and revision == "head":
        raise click.UsageError("--down needs --to: the revision to go back to.")
    try:
        database_url = read_settings("dev").database_url
        if not database_url:
            raise click.UsageError(
                "DATABASE_URL is not set; `callbridge dev` migrates its embedded one itself."
            )
        state = asyncio.run((downgrade if down else upgrade)(database_url, revision))
    except (StartError, MigrationError, ForeignSchema, CommandError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"Postgres cannot be reached: {error}") from error
    if as_json:
        click.echo(json.dumps({"current": state.current, "needed": state.needed}))
    else:
        newer = " (made by a newer version; left as it is)" if state.newer else ""
        click.echo(f"The schema is at revision {state.current}{newer}.")
