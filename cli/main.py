"""`callbridge`: what a person types. A command is imported when it is used, so that all start fast."""

from __future__ import annotations

import importlib

import click

COMMANDS = {
    "dev": "cli.dev:dev",
    "serve": "cli.serve:serve",
    "migrate": "cli.migrate:migrate",
    "keys": "cli.keys:keys",
    "agents": "cli.agents:agents",
    "numbers": "cli.numbers:numbers",
    "call": "cli.call:call",
    "simulate": "cli.simulate:simulate",
    "doctor": "cli.doctor:doctor",
    "drain": "cli.drain:drain",
}


class LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
def main() -> None:
    """Voice agents on real phone numbers: Twilio Media Streams bridged to a voice model.

    Settings come from the environment and from a file .env: see docs/reference/settings.md.
    """


if __name__ == "__main__":
    main(prog_name="callbridge")
