"""`callbridge agents`: who answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from cli.running import Api, table, talks_to_server


@click.group()
def agents() -> None:
    """Agents: list, show, create, change, delete."""


@agents.command("list")
@talks_to_server
def list_agents(api: Api) -> None:
    """Every agent, newest first."""
    api.show(api.ask("GET", "/v1/agents", query={"limit": 100}), _rows)


@agents.command()
@click.argument("agent_id")
@talks_to_server
def show(api: Api, agent_id: str) -> None:
    """Everything about one agent."""
    api.show(api.ask("GET", f"/v1/agents/{agent_id}"), _pretty)


@agents.command()
@click.option("--name", help="What people call it.")
@click.option("--prompt", help="What it is to do.")
@click.option("--greeting", help="What it says first; without one it waits for the caller.")
@click.option("--voice", help="One of OpenAI's voices.")
@click.option(
    "--file",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="All fields, as JSON.",
)
@talks_to_server
def create(api: Api, path: Path | None, **fields: str | None) -> None:
    """Make an agent, from options, from a JSON file, or both (options win)."""
    body = _fields(path, fields)
    if not body.get("name") or not body.get("prompt"):
        raise click.UsageError("An agent needs --name and --prompt.")
    api.show(api.ask("POST", "/v1/agents", body=body), lambda agent: [f"{agent['id']}  {agent['name']}"])


@agents.command()
@click.argument("agent_id")
@click.option("--name")
@click.option("--prompt")
@click.option("--greeting")
@click.option("--voice")
@click.option(
    "--file", "path", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Fields as JSON."
)
@talks_to_server
def change(api: Api, agent_id: str, path: Path | None, **fields: str | None) -> None:
    """Make a new version of an agent with some fields changed."""
    current = api.ask("GET", f"/v1/agents/{agent_id}")
    headers = {"If-Match": str(current["version"])}
    changed = api.ask("PATCH", f"/v1/agents/{agent_id}", body=_fields(path, fields), headers=headers)
    api.show(changed, lambda agent: [f"{agent['id']}  {agent['name']}  version {agent['version']}"])


@agents.command()
@click.argument("agent_id")
@talks_to_server
def delete(api: Api, agent_id: str) -> None:
    """Delete an agent that answers no number."""
    api.ask("DELETE", f"/v1/agents/{agent_id}")
    api.show({"deleted": agent_id}, lambda _: [f"{agent_id} is deleted."])


def _fields(path: Path | None, options: dict[str, str | None]) -> dict[str, Any]:
    try:
        from_file: object = json.loads(path.read_text(encoding="utf-8")) if path else {}
    except ValueError as error:
        raise click.UsageError(f"{path} is not JSON: {error}") from error
    if not isinstance(from_file, dict):
        raise click.UsageError(f"{path} must hold a JSON object.")
    return {**from_file, **{name: value for name, value in options.items() if value is not None}}


def _rows(page: Any) -> list[str]:
    rows = [
        (one["id"], one["name"], one["version"], one["voice"], one["updated_at"]) for one in page["items"]
    ]
    return table(rows, ("ID", "NAME", "VERSION", "VOICE", "UPDATED"))


def _pretty(value: Any) -> list[str]:
    return [f"{name:<22} {json.dumps(content, ensure_ascii=False)}" for name, content in value.items()]
