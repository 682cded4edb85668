from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.end_to_end.harness import Harness


@pytest.fixture
async def callbridge(
    request: pytest.FixtureRequest, database_url: str, tmp_path: Path
) -> AsyncGenerator[Harness]:
    taken_over: bool = getattr(request, "param", True)
    async with Harness(database_url, tmp_path, taken_over=taken_over) as harness:
        yield harness
        assert bool(harness.parts.live_calls.counters.streams_over_asgi) <= (not taken_over)
