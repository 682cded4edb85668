from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.end_to_end.harness import Harness


@pytest.fixture
async def callbridge(database_url: str, tmp_path: Path) -> AsyncGenerator[Harness]:
    async with Harness(database_url, tmp_path) as harness:
        yield harness
