from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from database.event_types import EventType

ROOT = Path(__file__).parents[3]
RECORDED = re.compile(
    r'(?:record|Record|add_event|EventEntry)\((?:[^()"]|\([^()]*\))*?"([a-z]+\.[a-z_]+)"', re.DOTALL
)


def recorded() -> set[str]:
    files = [path for room in ("bridge", "database") for path in (ROOT / room).rglob("*.py")]
    return {name for path in files for name in RECORDED.findall(path.read_text(encoding="utf-8"))}


def test_every_event_that_the_code_records_can_be_asked_for_by_name() -> None:
    """A webhook for it would otherwise be refused as a mistake."""
    names = recorded()
    assert {"call.created", "call.ended", "agent.interrupted", "transcript.line"} <= names
    assert names <= set(get_args(EventType))


def test_every_event_that_the_reference_lists_can_be_asked_for_by_name() -> None:
    page = (ROOT / "docs" / "reference" / "events.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([a-z]+\.[a-z_]+)`", page, re.MULTILINE))
    assert listed
    assert listed <= set(get_args(EventType))
