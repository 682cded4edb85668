"""`callbridge keys`: who may do what."""

from __future__ import annotations

from typing import Any

import click

from cli.running import Api, table, talks_to_server

SCOPES = (
    "agents:read",
    "agents:write",
    "numbers:read",
    "numbers:write",
    "calls:read",
    "calls:write",
    "admin",
)


@click.group()
def keys() -> None:
    """API keys: list, create, delete."""


@keys.command("list")
@talks_to_server
def list_keys(api: Api) -> None:
    """Every API key; secrets cannot be shown again."""
    api.show(api.ask("GET", "/v1/api-keys", query={"limit": 100}), _rows)


@keys.command()
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice(SCOPES), required=True, help="May be repeated."
)
@talks_to_server
def create(api: Api, name: str, scopes: tuple[str, ...]) -> None:
    """Make a key; its secret is shown this once."""
    made = api.ask("POST", "/v1/api-keys", body={"name": name, "scopes": list(scopes)})
    api.show(made, lambda key: [f"{key['id']}  {key['name']}", f"Secret, shown once: {key['secret']}"])


@keys.command()
@click.argument("key_id")
@talks_to_server
def delete(api: Api, key_id: str) -> None:
    """Let a key open nothing any more."""
    api.ask("DELETE", f"/v1/api-keys/{key_id}")
    api.show({"deleted": key_id}, lambda _: [f"{key_id} is deleted."])


def _rows(page: Any) -> list[str]:
    rows = [(key["id"], key["name"], " ".join(key["scopes"]), key["last_used_at"]) for key in page["items"]]
    return table(rows, ("ID", "NAME", "SCOPES", "LAST USED"))
