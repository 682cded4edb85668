"""What has stayed is searched for garbage when that stops nobody's call, and once a day in any case."""

from __future__ import annotations

import gc
from types import SimpleNamespace
from typing import Any, cast

import pytest
import uvicorn

from server.worker import TICKS_BETWEEN_COLLECTIONS, Worker


@pytest.mark.parametrize(
    ("tick", "calls", "collects"),
    [
        (TICKS_BETWEEN_COLLECTIONS, 0, True),
        (TICKS_BETWEEN_COLLECTIONS, 1, False),
        (TICKS_BETWEEN_COLLECTIONS + 1, 0, False),
        (0, 1, True),
    ],
)
async def test_when_all_is_searched(tick: int, calls: int, collects: bool, monkeypatch: pytest.MonkeyPatch):
    searched: list[None] = []
    monkeypatch.setattr(gc, "collect", lambda: searched.append(None))
    parts = cast(Any, SimpleNamespace(live_calls=SimpleNamespace(count=calls)))
    await Worker(uvicorn.Config(cast(Any, None)), parts).on_tick(tick)
    assert bool(searched) is collects
