"""One idea a file, one step a function, a name that says which."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.documents import ROOT

ROOMS = (
    "api",
    "bench",
    "bridge",
    "cli",
    "database",
    "infra",
    "lines",
    "notify",
    "outgoing",
    "recordings",
    "server",
    "simulator",
    "telephony",
)
# Not the migrations: each is one list of statements, never to be changed.
FILE_LINES = 400
FUNCTION_LINES = 40
FORBIDDEN = {"utils", "util", "helpers", "helper", "manager", "managers", "common", "base", "core", "misc"}

LONG_FUNCTIONS = {
    "server/logging.py:configure_logging": "one list of processors and one dictionary, in their order",
}
"""Longer than allowed, as `path:name`, each with its reason."""


def sources() -> list[Path]:
    return [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def functions() -> Iterator[tuple[str, int]]:
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) is not None else node.body
                first = body[0].lineno if body else node.lineno
                yield f"{path.relative_to(ROOT)}:{node.name}", (node.end_lineno or first) - first + 1


def test_files_are_short():
    long = {
        str(path.relative_to(ROOT)) for path in sources() if len(path.read_text().splitlines()) > FILE_LINES
    }
    assert long == set()


def test_functions_are_short():
    """Counted without signature and docstring: those are for reading, the rest is for understanding."""
    assert {
        name: lines for name, lines in functions() if lines > FUNCTION_LINES
    }.keys() <= LONG_FUNCTIONS.keys()


@pytest.mark.parametrize("room", [*ROOMS, "tests"])
def test_no_module_is_named_after_nothing(room: str):
    names = {path.stem for path in (ROOT / room).rglob("*.py")} | {
        path.name for path in (ROOT / room).rglob("*") if path.is_dir()
    }
    assert names & FORBIDDEN == set()
