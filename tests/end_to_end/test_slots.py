"""`WORKERS=4`, as Caddy and Twilio use it: webhooks anywhere, streams to the process their address names."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator

import pytest

from bench.slots import Fleet, set_up

WORKERS = 4


@pytest.fixture(scope="module")
async def fleet() -> AsyncGenerator[Fleet]:
    async with Fleet(WORKERS) as fleet:
        yield fleet


async def test_every_stream_lands_where_its_session_waits(fleet: Fleet) -> None:
    """A session that is not waited for costs the caller a second of silence, and the operator money."""
    outcome = await set_up(fleet, 200)
    assert (outcome.sessions, outcome.most_sessions_at_once, outcome.elsewhere) == (200, 1, 0)
    assert outcome.completed == 200
    figures = outcome.figures
    assert figures["callbridge_calls_prepared_total"] == figures["callbridge_streams_started_total"] == 200
    assert figures["callbridge_model_sessions_opened_total"] == 200
    assert figures["callbridge_calls_let_go_total"] == figures["callbridge_calls_unclaimed_total"] == 0
    assert figures["callbridge_live_calls"] == 0
    assert all(figures[f"callbridge_process_up {slot}"] == 1 for slot in range(WORKERS))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds the processes in /proc")
async def test_a_process_killed_between_webhook_and_stream_loses_no_call(fleet: Fleet) -> None:
    killed = fleet.pid(2)
    before = (await fleet.figures(WORKERS - 1))["callbridge_streams_started_total"]
    outcome = await set_up(fleet, 40, first=1000, kill=2)
    assert outcome.completed == 40, "each caller has heard a greeting, and hung up"
    assert outcome.most_sessions_at_once == 1
    await fleet.until_ready(2)
    assert fleet.pid(2) != killed
    assert outcome.figures["callbridge_streams_started_total"] == before + 40, (
        "what the killed one counted stays"
    )
