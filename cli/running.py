"""The server that commands talk to: the one whose data is here, or the one that is named."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
import httpx

F = TypeVar("F", bound=Callable[..., object])
TIMEOUT_S = 30.0


class Api:
    """The REST API as commands see it: JSON in, JSON out, problems as one clear line."""

    def __init__(self, url: str, api_key: str, *, as_json: bool) -> None:
        self._client = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {api_key}"}, timeout=TIMEOUT_S, trust_env=False
        )
        self.as_json = as_json

    def close(self) -> None:
        self._client.close()

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: dict[str, Any] | None = None,
        query: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """Exits with the problem when it is refused."""
        params = {name: value for name, value in (query or {}).items() if value is not None}
        try:
            answer = self._client.request(method, path, json=body, params=params, headers=headers)
        except httpx.HTTPError as error:
            raise click.ClickException(f"{self._client.base_url} does not answer: {error}") from error
        if answer.is_success:
            return answer.json() if answer.content else None
        raise click.ClickException(_problem(answer))

    def follow(self, path: str) -> Any:
        """Server-sent events: their data, one at a time, until the server ends them."""
        headers = {"Accept": "text/event-stream"}
        with self._client.stream(
            "GET", path, headers=headers, timeout=httpx.Timeout(TIMEOUT_S, read=None)
        ) as answer:
            if not answer.is_success:
                answer.read()
                raise click.ClickException(_problem(answer))
            for line in answer.iter_lines():
                if line.startswith("data:"):
                    yield json.loads(line.removeprefix("data:"))

    def show(self, value: Any, lines: Callable[[Any], list[str]]) -> None:
        """As JSON when that was asked for, else as lines for people."""
        if self.as_json:
            click.echo(json.dumps(value, ensure_ascii=False, indent=2))
        else:
            for line in lines(value):
                click.echo(line)


def talks_to_server(command: F) -> F:
    """Gives a command the options --url, --api-key and --json, and an `Api` as its argument `api`."""

    def with_api(*, url: str | None, api_key: str | None, as_json: bool, **arguments: object) -> object:
        api = find_server(url, api_key, as_json=as_json)
        try:
            return command(api=api, **arguments)
        finally:
            api.close()

    with_api.__doc__ = command.__doc__
    with_api.__name__ = command.__name__
    with_api.__click_params__ = list(getattr(command, "__click_params__", []))  # pyright: ignore[reportFunctionMemberAccess] (where click keeps options)
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option("--api-key", help="An API key of the server at --url."),
        click.option("--url", help="The server's address; without it, the one that runs here."),
    ):
        option(with_api)
    return with_api  # pyright: ignore[reportReturnType] (click calls it by its parameters)


def find_server(url: str | None, api_key: str | None, *, as_json: bool) -> Api:
    from server.data_dir import read_running
    from server.start import StartError, data_dir

    try:
        server = read_running(data_dir())
    except StartError as error:
        raise click.ClickException(str(error)) from error
    if url is not None and api_key is None and (server is None or url.rstrip("/") not in server.workers):
        raise click.UsageError("--url needs --api-key too.")
    if server is None and (url is None or api_key is None):
        raise click.ClickException(
            "No server runs here. Start one with `callbridge dev`, or name one with --url and --api-key."
        )
    return Api(
        url or (server.url if server else ""), api_key or (server.api_key if server else ""), as_json=as_json
    )


def refuse_second(running: Exception) -> click.ClickException:
    """For an AlreadyRunning: where the first one runs."""
    server = getattr(running, "server", None)
    if server is None:
        return click.ClickException("Another Callbridge is just starting in this DATA_DIR.")
    return click.ClickException(
        f"Callbridge already runs at {server.url} ({server.mode}, process {server.pid}).\n"
        f"  API key    {server.api_key}\n"
        "End that one first, or give this one a DATA_DIR and a PORT of its own."
    )


def _problem(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
        return f"{problem['detail']} ({answer.status_code})"
    except (ValueError, KeyError, TypeError):
        return f"The server answered {answer.status_code}."


def this_command() -> str:
    """How `callbridge` is typed here: by its path in a clone; elsewhere it is on the PATH."""
    return ".venv/bin/callbridge" if Path(".venv/bin/callbridge").exists() else "callbridge"


def short_path(path: Path) -> str:
    return f"./{path.relative_to(Path.cwd())}" if path.is_relative_to(Path.cwd()) else str(path)


def table(rows: Sequence[tuple[object, ...]], headings: tuple[str, ...]) -> list[str]:
    """Columns as wide as they need to be; nothing at all says so."""
    if not rows:
        return ["Nothing yet."]
    texts = [tuple("-" if cell is None else str(cell) for cell in row) for row in rows]
    widths = [max(len(row[column]) for row in (headings, *texts)) for column in range(len(headings))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (headings, *texts)
    ]
