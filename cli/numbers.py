"""`callbridge numbers`: which number is answered by whom."""

from __future__ import annotations

from typing import Any

import click

from cli.running import Api, table, talks_to_server


@click.group()
def numbers() -> None:
    """Phone numbers: list, available, add, give, delete."""


@numbers.command("list")
@talks_to_server
def list_numbers(api: Api) -> None:
    """Every number that is answered here."""
    api.show(api.ask("GET", "/v1/phone-numbers", query={"limit": 100}), _rows)


@numbers.command()
@click.option("--country", required=True, help="Two letters, such as US.")
@click.option("--area-code")
@click.option("--contains", help="Digits the number is to contain.")
@click.option("--limit", type=click.IntRange(1, 100), default=10, show_default=True)
@talks_to_server
def available(api: Api, **query: object) -> None:
    """Numbers that Twilio sells."""
    api.show(api.ask("GET", "/v1/phone-numbers/available", query=dict(query)), _offers)


@numbers.command()
@click.argument("number")
@click.option("--agent", "agent_id", required=True, help="The id of the agent that is to answer it.")
@click.option("--buy", is_flag=True, help="Buy it from Twilio first. This costs money.")
@click.option("--take-over", is_flag=True, help="Even if its webhooks point elsewhere now.")
@talks_to_server
def add(api: Api, number: str, agent_id: str, *, buy: bool, take_over: bool) -> None:
    """Let an agent answer NUMBER (E.164, such as +12125550123)."""
    body = {"number": number, "agent_id": agent_id}
    flags = {name: True for name, given in (("buy", buy), ("take_over", take_over)) if given}
    api.show(api.ask("POST", "/v1/phone-numbers", body=body | flags), _one)


@numbers.command()
@click.argument("number_id")
@click.option("--agent", "agent_id", required=True)
@talks_to_server
def give(api: Api, number_id: str, agent_id: str) -> None:
    """Let another agent answer it."""
    api.show(api.ask("PATCH", f"/v1/phone-numbers/{number_id}", body={"agent_id": agent_id}), _one)


@numbers.command()
@click.argument("number_id")
@talks_to_server
def delete(api: Api, number_id: str) -> None:
    """Stop answering it; its former webhooks are put back."""
    api.ask("DELETE", f"/v1/phone-numbers/{number_id}")
    api.show({"deleted": number_id}, lambda _: [f"{number_id} is no longer answered here."])


def _rows(page: Any) -> list[str]:
    rows = [(one["id"], one["number"], one["agent_id"], one["created_at"]) for one in page["items"]]
    return table(rows, ("ID", "NUMBER", "AGENT", "CREATED"))


def _offers(answer: Any) -> list[str]:
    rows = [(one["number"], one["locality"], one["region"]) for one in answer["items"]]
    return table(rows, ("NUMBER", "LOCALITY", "REGION"))


def _one(number: Any) -> list[str]:
    return [f"{number['id']}  {number['number']}  answered by {number['agent_id']}"]
