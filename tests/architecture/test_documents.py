"""Pages cannot rot: each list in them is compared with the code that it describes."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from urllib.parse import unquote

import click
import pytest

from bridge.call.ending import EndReason
from cli.main import COMMANDS, main
from server.settings import VARIABLES
from tests.architecture.documents import DOCS, PAGES, ROOT, first_cells

RECORDERS = {"record": 0, "Record": 0, "_tell": 1, "add_event": 2}
"""Functions that write a call event, and which argument is its type."""


def recorded_types() -> set[str]:
    found: set[str] = set()
    for room in ("bridge", "database", "api", "server"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.Call):
                    continue
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if name in RECORDERS and len(node.args) > RECORDERS[name]:
                    argument = node.args[RECORDERS[name]]
                    if isinstance(argument, ast.Constant) and "." in str(argument.value):
                        found.add(str(argument.value))
    return found


def test_every_ending_has_its_line():
    assert sorted(first_cells(DOCS / "reference/endings.md")) == sorted(EndReason)


def test_every_recorded_event_has_its_line():
    recorded = recorded_types()
    assert "call.ended" in recorded and "agent.interrupted" in recorded, "the search finds nothing any more"
    assert sorted(first_cells(DOCS / "reference/events.md")) == sorted(recorded)


def commands() -> set[str]:
    """Every command that can be typed, a group's by their two words."""
    context = click.Context(main)
    found: set[str] = set()
    for name in COMMANDS:
        command = main.get_command(context, name)
        if isinstance(command, click.Group):
            found |= {f"callbridge {name} {inner}" for inner in command.commands}
        else:
            found.add(f"callbridge {name}")
    return found


def test_every_command_has_its_line():
    groups = [
        name for name in COMMANDS if isinstance(main.get_command(click.Context(main), name), click.Group)
    ]
    words = {
        " ".join(shown.split()[: 3 if shown.split()[1] in groups else 2])
        for shown in first_cells(DOCS / "reference/commands.md")
    }
    assert words == commands()


def test_every_setting_has_its_line():
    assert set(VARIABLES) <= set(first_cells(DOCS / "reference/settings.md"))
    example = (ROOT / ".env.example").read_text()
    assert [name for name in VARIABLES if not re.search(rf"^#?{name}=", example, re.MULTILINE)] == []


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{page.name}: {link}"


def test_every_page_can_be_reached():
    """A page that nothing leads to is read by nobody."""
    index = (DOCS / "README.md").read_text()
    pages = [page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md") if page.name != "README.md"]
    assert [page for page in pages if f"({page})" not in index] == []
    assert "docs/README.md" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    "page", [ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name
)
def test_files_that_are_named_exist(page: Path):
    named = re.findall(r"`((?:[a-z_]+/)+[\w.]+\.(?:py|md|toml|yaml))`", page.read_text())
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []
