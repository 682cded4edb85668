"""What `callbridge dev` prints once all answers: readable without colours too, ready to paste."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import click

from cli.running import short_path, this_command
from server.settings import is_loopback
from server.start import Started

AGENT = {
    "name": "Front desk",
    "prompt": "You answer the phone of Harbour Books. The shop is open from nine to six. Be brief and kind.",
    "greeting": "Harbour Books, good day! How can I help?",
}


def first_screen(started: Started) -> list[str]:
    settings, server = started.settings, started.server
    return [
        "",
        f"  {click.style('Callbridge', bold=True)} is up after {started.seconds:.1f} s. Ctrl-C ends it.",
        "",
        f"  Address    {click.style(server.url, bold=True)}   (its API: {server.url}/schema)",
        f"  API key    {server.api_key}{'   (made up once, kept)' if started.stand_ins.api_key else ''}",
        f"  Data       {short_path(settings.data_dir)}",
        "",
        *_real_and_practice(started),
        "",
        "  What next, in another terminal in this folder:",
        "",
        *_next_commands(started),
        "",
    ]


def _real_and_practice(started: Started) -> list[str]:
    settings, standing_in = started.settings, started.stand_ins
    real, practice = click.style("real    ", fg="green"), click.style("practice", fg="yellow")
    database = (
        "an embedded Postgres under Data" if standing_in.database else "your Postgres, from DATABASE_URL"
    )
    if standing_in.twilio:
        owned = ", ".join(started.practice_numbers) or "none yet"
        phone = f"a telephone network on this machine; its numbers: {owned}"
    else:
        phone = f"your account {settings.twilio_account_sid[:6]}…{settings.twilio_account_sid[-4:]}"
    model = (
        "a model on this machine, with few ideas" if standing_in.openai else "your key, from OPENAI_API_KEY"
    )
    lines = [
        f"  {practice if standing_in.twilio else real}   Twilio     {phone}",
        f"  {practice if standing_in.openai else real}   OpenAI     {model}",
        f"  {practice if standing_in.database else real}   Database   {database}",
    ]
    if not standing_in.twilio and is_loopback(urlsplit(settings.public_url).hostname or ""):
        lines += [
            "",
            "  Twilio cannot reach this machine yet: set PUBLIC_URL to an https address that leads here.",
        ]
    elif standing_in.twilio or standing_in.openai:
        lines += [
            "",
            "  Set TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, OPENAI_API_KEY and PUBLIC_URL for the real thing.",
        ]
    return lines


def _next_commands(started: Started) -> list[str]:
    server = started.server
    number = started.practice_numbers[0] if started.practice_numbers else "+1…one of your Twilio numbers"
    post = 'curl -s -H "Authorization: Bearer $KEY" -H "Content-Type: application/json"'
    agent = json.dumps(AGENT, ensure_ascii=False, indent=2)
    commands = [
        f"URL={server.url} KEY={server.api_key}",
        "",
        "  1  make an agent",
        f"AGENT=$({post} $URL/v1/agents -d '{agent}' | tee /dev/stderr | grep -o 'agent_[0-9a-f]*'); echo",
        "",
        "  2  let it answer a number",
        f"{post} $URL/v1/phone-numbers \\",
        f'  -d \'{{"number": "{number}", "agent_id": "\'$AGENT\'"}}\'; echo',
        "",
    ]
    if started.stand_ins.twilio:
        return [
            *commands,
            "  3  call it, and listen to the recording that this saves",
            f"{this_command()} simulate call --to {number} --say 'Good day, when are you open?'",
        ]
    return [*commands, "  3  call that number with your phone"]
