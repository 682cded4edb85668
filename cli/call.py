"""`callbridge call`: place calls, follow them, read them."""

from __future__ import annotations

import json
import uuid
from typing import Any

import click

from cli.running import Api, table, talks_to_server


@click.group()
def call() -> None:
    """Calls: place, list, show, transcript, events, hangup, delete."""


@call.command()
@click.argument("to")
@click.option("--agent", "agent_id", required=True, help="The id of the agent that is to call.")
@click.option("--from", "from_", help="One of your numbers; by default the agent's oldest.")
@click.option(
    "--variable", "variables", multiple=True, metavar="NAME=VALUE", help="Fills {{name}} in the prompt."
)
@click.option("--max-seconds", type=click.IntRange(min=1), help="Ends the call after so long.")
@talks_to_server
def place(
    api: Api, to: str, agent_id: str, from_: str | None, variables: tuple[str, ...], max_seconds: int | None
) -> None:
    """Let an agent call TO (E.164, such as +12125550123)."""
    split = [variable.partition("=") for variable in variables]
    if not all(separator for _, separator, _ in split):
        raise click.UsageError("--variable is NAME=VALUE.")
    body: dict[str, Any] = {"agent_id": agent_id, "to": to}
    for name, value in (
        ("from", from_),
        ("variables", {name: value for name, _, value in split} or None),
        ("max_call_seconds", max_seconds),
    ):
        if value is not None:
            body[name] = value
    # Should the answer be lost, whoever repeats the command's request does not dial twice.
    placed = api.ask("POST", "/v1/calls", body=body, headers={"Idempotency-Key": str(uuid.uuid4())})
    api.show(placed, lambda one: [f"{one['id']}  {one['status']}"])


@call.command("list")
@click.option("--status", help="Twilio's word, such as in-progress.")
@click.option("--agent", "agent_id")
@click.option("--from", "from_")
@click.option("--to")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True)
@talks_to_server
def list_calls(api: Api, from_: str | None, **query: object) -> None:
    """Calls, newest first."""
    api.show(api.ask("GET", "/v1/calls", query={**query, "from": from_}), _rows)


@call.command()
@click.argument("call_id")
@talks_to_server
def show(api: Api, call_id: str) -> None:
    """Everything about one call."""
    api.show(
        api.ask("GET", f"/v1/calls/{call_id}"),
        lambda one: [f"{name:<18} {json.dumps(value, ensure_ascii=False)}" for name, value in one.items()],
    )


@call.command()
@click.argument("call_id")
@talks_to_server
def transcript(api: Api, call_id: str) -> None:
    """What was said."""
    api.show(api.ask("GET", f"/v1/calls/{call_id}/transcript"), _spoken)


@call.command()
@click.argument("call_id")
@click.option("--follow", is_flag=True, help="Stay, and show what happens next.")
@talks_to_server
def events(api: Api, call_id: str, *, follow: bool) -> None:
    """What happened."""
    if not follow:
        api.show(api.ask("GET", f"/v1/calls/{call_id}/events", query={"limit": 100}), _happened)
        return
    for event in api.follow(f"/v1/calls/{call_id}/events"):
        click.echo(json.dumps(event, ensure_ascii=False) if api.as_json else _event(event))


@call.command()
@click.argument("call_id")
@talks_to_server
def hangup(api: Api, call_id: str) -> None:
    """End a call that rings or is up."""
    api.ask("POST", f"/v1/calls/{call_id}/hangup")
    api.show({"hung_up": call_id}, lambda _: [f"{call_id} is being ended."])


@call.command()
@click.argument("call_id")
@talks_to_server
def delete(api: Api, call_id: str) -> None:
    """Erase what a finished call contained."""
    api.ask("DELETE", f"/v1/calls/{call_id}")
    api.show({"deleted": call_id}, lambda _: [f"{call_id} is erased."])


def _rows(page: Any) -> list[str]:
    rows = [
        (
            one["id"],
            one["direction"],
            one["from"],
            one["to"],
            one["status"],
            one["ended_reason"],
            one["created_at"],
        )
        for one in page["items"]
    ]
    return table(rows, ("ID", "DIRECTION", "FROM", "TO", "STATUS", "ENDED BY", "CREATED"))


def _spoken(answer: Any) -> list[str]:
    lines = [
        f"{line['start_ms'] / 1000:8.1f} s  {line['role']:<6}  {line['text']}"
        f"{' …' if line['interrupted'] else ''}"
        for line in answer["items"]
    ]
    return lines or ["Nothing was said."]


def _happened(page: Any) -> list[str]:
    return [_event(event) for event in page["items"]] or ["Nothing has happened."]


def _event(event: Any) -> str:
    data = json.dumps(event["data"], ensure_ascii=False)
    return f"{event['offset_ms'] / 1000:8.2f} s  {event['type']:<24} {data}"
