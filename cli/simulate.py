"""`callbridge simulate`: calls from a practice phone, through the running server, over HTTP only."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import httpx

from cli.running import Api, short_path, talks_to_server, this_command

SETTLE_S = 5.0
"""How long the server may take, once the call is over, to have written down how it ended."""


@click.group()
def simulate() -> None:
    """Calls on the practice telephone network."""


@simulate.command()
@click.option("--to", required=True, help="A number of the practice account that an agent answers.")
@click.option("--from", "from_", default="+12125550123", show_default=True, help="The caller's number.")
@click.option("--say", multiple=True, help="What the caller says, each when the agent has finished.")
@click.option(
    "--wav", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Played after --say."
)
@click.option(
    "--interrupt-after",
    type=click.IntRange(min=0),
    metavar="MS",
    help="Cut the agent off: say the last line so long into its speech.",
)
@click.option("--dtmf", metavar="KEYS", help="Keys pressed at the end; w waits half a second.")
@click.option("--save", type=click.Path(dir_okay=False, path_type=Path), help="Where the stereo WAV goes.")
@talks_to_server
def call(
    api: Api,
    to: str,
    from_: str,
    say: tuple[str, ...],
    wav: Path | None,
    interrupt_after: int | None,
    dtmf: str | None,
    save: Path | None,
) -> None:
    """Call an agent and listen: prints the conversation live and saves what both sides heard."""
    data_dir, simulator_url = _practice_network()
    asked: dict[str, Any] = {"to": to, "from": from_, "say": list(say)}
    if wav is not None:
        asked["wav"] = base64.b64encode(wav.read_bytes()).decode()
    if interrupt_after is not None:
        asked["interrupt_after_ms"] = interrupt_after
    if dtmf:
        asked["dtmf"] = dtmf
    with httpx.Client(base_url=simulator_url, timeout=30, trust_env=False) as desk:
        try:
            _require_answered(desk, to)
            call_sid = _checked(desk.post("/simulator/calls", json=asked))["call_sid"]
            moments: list[dict[str, Any]] = []
            for moment in _follow(desk, call_sid):
                moments.append(moment)
                if not api.as_json:
                    _print_moment(moment, moments)
            path = save or data_dir / "calls" / f"{call_sid}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(desk.get(f"/simulator/calls/{call_sid}/audio.wav").content)
        except httpx.HTTPError as error:
            raise click.ClickException(
                f"The practice network at {simulator_url} does not answer: {error}"
            ) from error
    record = _record_of(api, call_sid)
    result = {"call_sid": call_sid, "call": record, "wav": str(path), "moments": moments}
    api.show(result, lambda _: _summary(record, moments, path))


def _practice_network() -> tuple[Path, str]:
    """DATA_DIR and the simulator's address; exits saying what to do when there is none."""
    from server.data_dir import read_running
    from server.start import StartError, data_dir

    try:
        directory = data_dir()
    except StartError as error:
        raise click.ClickException(str(error)) from error
    server = read_running(directory)
    if server is None:
        raise click.ClickException("No server runs here. Start one with `callbridge dev`.")
    if not server.simulator_url:
        raise click.ClickException(
            "Twilio is real here, so there is no practice phone. Call one of your numbers from any phone,\n"
            "or let an agent call you: callbridge call place YOUR_NUMBER --agent ID.\n"
            "To practise, start `callbridge dev` without TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN."
        )
    return directory, server.simulator_url


def _require_answered(desk: httpx.Client, to: str) -> None:
    numbers = {one["number"]: one["voice_url"] for one in _checked(desk.get("/simulator/state"))["numbers"]}
    if to not in numbers:
        raise click.ClickException(f"The practice account does not own {to}. It owns {', '.join(numbers)}.")
    if not numbers[to]:
        raise click.ClickException(
            f"No agent answers {to} yet. Give it one: {this_command()} numbers add {to} --agent ID\n"
            "(If your Twilio account is real and only the model is practised, call your number from a phone.)"
        )


def _checked(answer: httpx.Response) -> Any:
    if answer.is_success:
        return answer.json()
    try:
        raise click.ClickException(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        raise click.ClickException(f"The practice network answered {answer.status_code}.") from None


def _follow(desk: httpx.Client, call_sid: str) -> Iterator[dict[str, Any]]:
    timeout = httpx.Timeout(30, read=None)
    with desk.stream("GET", f"/simulator/calls/{call_sid}/events", timeout=timeout) as events:
        for line in events.iter_lines():
            if line:
                yield json.loads(line)


def _print_moment(moment: dict[str, Any], moments: list[dict[str, Any]]) -> None:
    """One line, where the moment is something to tell."""
    text = moment.get("text") or "(no words to be read)"
    match moment["type"]:
        case "ringing" | "answered":
            _print_line(moment["at_ms"], "", click.style(moment["type"], dim=True))
        case "agent stopped speaking":
            _print_agent(text, moments)
        case "caller started speaking":
            note = click.style("  interrupts", fg="yellow") if moment["interrupts"] else ""
            _print_line(moment["at_ms"], click.style("caller", fg="cyan"), text + note)
        case "key pressed":
            _print_line(moment["at_ms"], click.style("caller", fg="cyan"), f"presses {moment['key']}")
        case "network says":
            _print_line(moment["at_ms"], click.style("Twilio", fg="magenta"), text)
        case "warning" | "stream refused":
            said = moment.get("text") or f"{moment['code']} {moment['why']}"
            _print_line(moment["at_ms"], click.style("warning", fg="yellow"), said)
        case _:
            pass


def _print_agent(text: str, moments: list[dict[str, Any]]) -> None:
    """An agent's line, dated when it began, with how long the caller waited for it."""
    began = next(moment for moment in reversed(moments) if moment["type"] == "agent started speaking")
    answered = next(moment for moment in moments if moment["type"] == "answered")
    waited = ""
    if "response_ms" in began:
        waited = f"  after {began['response_ms']:,} ms"
    elif sum(moment["type"] == "agent started speaking" for moment in moments) == 1:
        waited = f"  {began['at_ms'] - answered['at_ms']:,} ms after the answer"
    if any(m["type"] == "caller started speaking" and m["at_ms"] >= began["at_ms"] for m in moments):
        waited += ", interrupted"
    _print_line(began["at_ms"], click.style("agent", fg="green"), text + click.style(waited, dim=True))


def _print_line(at_ms: int, who: str, what: str) -> None:
    pad = " " * (8 - len(click.unstyle(who)))
    click.echo(f"{at_ms / 1000:7.1f} s  {who}{pad}{what}")


def _record_of(api: Api, call_sid: str) -> dict[str, Any] | None:
    """The server's own account of the call, once it is finished; None when it never heard of it."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        calls = api.ask("GET", "/v1/calls", query={"limit": 20})["items"]
        record = next((one for one in calls if one["twilio_call_sid"] == call_sid), None)
        if (record is not None and record["ended_reason"]) or time.monotonic() > deadline:
            return record
        time.sleep(0.2)


def _summary(record: dict[str, Any] | None, moments: list[dict[str, Any]], path: Path) -> list[str]:
    ended: dict[str, Any] = next(
        (moment for moment in moments if moment["type"] == "ended"), dict[str, Any]()
    )
    known: dict[str, Any] = record or {}
    reason = known.get("ended_reason") or ended.get("why") or "the server has no record of it"
    responses = [str(moment["response_ms"]) for moment in moments if "response_ms" in moment]
    lines = ["", f"Ended after {ended.get('at_ms', 0) / 1000:.1f} s: {ended.get('status', '?')}, {reason}"]
    if responses:
        lines.append(f"Responses as the caller heard them: {', '.join(responses)} ms")
    latency: dict[str, Any] = known.get("latency") or {}
    if latency.get("response_p50_ms") is not None:
        lines.append(f"As the server measured: {_measured(latency)}")
    if record is not None:
        lines.append(f"Transcript: {this_command()} call transcript {record['id']}")
    return [*lines, f"Both sides (caller left, agent right): {short_path(path)}"]


def _measured(latency: dict[str, Any]) -> str:
    half, most = latency["response_p50_ms"], latency.get("response_p95_ms")
    return f"{half} ms" if half == most else f"half within {half} ms, 95 % within {most} ms"
