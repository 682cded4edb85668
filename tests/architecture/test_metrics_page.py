"""Every figure has its line, saying what to do when it moves; rules and page name none that are not there."""

from __future__ import annotations

import re

import pytest
import yaml
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from bridge.call.ending import EndReason
from server.parts import Parts
from server.settings import Settings
from tests.architecture.documents import DOCS, ROOT, first_cells


@pytest.fixture
async def families() -> list[Metric]:
    names = {"DATABASE_URL": "postgresql://u:p@127.0.0.1:9/x", "SECRET_KEY": "0" * 32}
    parts = Parts(Settings.from_env(names, mode="dev"), "0")
    page = await parts.metrics_page.of_all()
    await parts.twilio.close()
    return list(text_string_to_metric_families(page.decode()))


def name_of(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


async def test_every_metric_has_its_line(families: list[Metric]) -> None:
    lines = [
        cell
        for cell in first_cells(DOCS / "reference/metrics.md")
        if "callbridge_" in cell or "process_" in cell
    ]
    assert set(lines) == {name_of(family) for family in families}
    assert len(lines) == len(set(lines))


async def test_alerts_ask_for_figures_that_are_there(families: list[Metric]) -> None:
    """A rule for a name that was changed never fires, and nobody notices."""
    samples = {name_of(family) for family in families}
    samples |= {sample.name for family in families for sample in family.samples}
    groups = yaml.safe_load((ROOT / "infra/alerts.yml").read_text())["groups"]
    rules = [rule["expr"] for group in groups for rule in group["rules"]]
    asked = {name for rule in rules for name in re.findall(r"callbridge_\w+", rule)}
    assert asked
    assert asked <= samples
    reasons = {
        reason
        for rule in rules
        for text in re.findall(r'reason=~"([^"]+)"', rule)
        for reason in text.split("|")
    }
    assert reasons <= set(EndReason)
