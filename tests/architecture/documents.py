"""The project's pages, and how tests read them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md")), *sorted(ROOT.glob("*/README.md"))]


def first_cells(page: Path) -> list[str]:
    """What stands between backticks in the first column of a page's tables."""
    rows = re.findall(r"^\|([^|]*)\|", page.read_text(), re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def blocks(page: Path, language: str) -> list[str]:
    """Its fenced code in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
