"""`callbridge drain`: no new calls here, and wait until those that are up have ended."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import click

POLL_S = 0.5


@click.command(short_help="Take no more calls, and wait until those that are up have ended.")
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(min=0), help="Seconds to wait; else until all ended."
)
@click.option("--cancel", is_flag=True, help="Take calls again.")
@click.option("--status", is_flag=True, help="Only say how things stand.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, a line for each change.")
def drain(*, timeout_s: float | None, cancel: bool, status: bool, as_json: bool) -> None:
    """Drain the server that runs here.

    /readyz says `draining` at once, so that proxies send new calls elsewhere; three seconds later none is
    taken any more. Calls that are up go on. Ends with 0 when there are none left, with 1 when --timeout came
    first: SIGTERM then moves the rest to other servers. The server goes on running until it is stopped.
    """
    workers = Workers()
    show = _Shown(as_json=as_json)
    if cancel or status:
        show(workers.ask("DELETE" if cancel else "GET"))
        return
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        # Again and again: a worker that died meanwhile, and is back, does not know of it.
        state = workers.ask("POST")
        show(state)
        if state["live_calls"] == 0 and not state["taking_calls"]:
            return
        if deadline is not None and time.monotonic() >= deadline:
            sys.exit(1)
        time.sleep(POLL_S)


class Workers:
    """All processes of the server that runs here, each asked at its own port."""

    def __init__(self) -> None:
        import httpx

        from server.data_dir import read_running
        from server.start import StartError, data_dir

        try:
            server = read_running(data_dir())
        except StartError as error:
            raise click.ClickException(str(error)) from error
        if server is None:
            raise click.ClickException("No server runs here, by its DATA_DIR.")
        headers = {"Authorization": f"Bearer {server.api_key}"}
        self._urls = server.workers
        self._client = httpx.Client(headers=headers, timeout=5, trust_env=False)

    def ask(self, method: str) -> dict[str, Any]:
        """What they say, added up."""
        states = [state for url in self._urls if (state := self._ask(method, url)) is not None]
        if not states:
            raise click.ClickException("The server that runs here does not answer.")
        counts = {name: sum(state[name] for state in states) for name in ("live_calls", "moved", "ended")}
        taking = any(state["taking_calls"] for state in states)
        return {"draining": all(state["draining"] for state in states), "taking_calls": taking} | counts

    def _ask(self, method: str, url: str) -> dict[str, Any] | None:
        """None: that process is down, and has no calls."""
        import httpx

        try:
            answer = self._client.request(method, f"{url}/drain")
        except httpx.TransportError:
            return None
        if not answer.is_success:
            raise click.ClickException(f"{url} refuses: {answer.status_code} {answer.text}")
        return answer.json()


class _Shown:
    """A line for each change."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._last: dict[str, Any] | None = None

    def __call__(self, state: dict[str, Any]) -> None:
        if state == self._last:
            return
        self._last = state
        if self._as_json:
            click.echo(json.dumps(state))
            return
        what = "draining" if state["draining"] else "taking calls"
        click.echo(
            f"{what}: {state['live_calls']} live calls left, {state['moved']} moved, {state['ended']} ended"
        )
