from __future__ import annotations

import asyncio
from pathlib import Path

from server.parts import Parts
from tests.integration.server.test_health import asking_from, settings
from tests.integration.server.test_way_in import KEY

LOOPBACK = "127.0.0.1"


async def test_proxies_are_told_before_calls_are_refused(database_url: str, tmp_path: Path) -> None:
    """A call that comes before the proxy has noticed would hear that there is no room."""
    parts = Parts(settings(database_url, tmp_path), "0")
    parts.draining._leaving_seconds = 0.05
    async with asking_from(LOOPBACK, parts) as client:
        state = (await client.post("/drain", headers=KEY)).json()
        assert (state["draining"], state["taking_calls"]) == (True, True)
        assert (await client.get("/readyz")).status_code == 503
        assert not parts.live_calls.full
        while not parts.live_calls.full:  # noqa: ASYNC110 (a timer, of which nobody is told)
            await asyncio.sleep(0.01)
        assert (await client.get("/drain", headers=KEY)).json() == {
            "draining": True,
            "taking_calls": False,
            "live_calls": 0,
            "ended": 0,
            "moved": 0,
        }


async def test_a_drain_can_be_taken_back_at_any_moment(database_url: str, tmp_path: Path) -> None:
    """An upgrade that fails leaves the old server as it was."""
    parts = Parts(settings(database_url, tmp_path), "0")
    async with asking_from(LOOPBACK, parts) as client:
        await client.post("/drain", headers=KEY)
        state = (await client.delete("/drain", headers=KEY)).json()
        assert (state["draining"], state["taking_calls"]) == (False, True)
        assert parts.draining._leaving is not None and parts.draining._leaving.cancelled()
        assert (await client.get("/readyz")).status_code == 200


async def test_only_who_asks_this_process_itself_with_a_key_may_drain_it(
    database_url: str, tmp_path: Path
) -> None:
    parts = Parts(settings(database_url, tmp_path), "0")
    async with asking_from(LOOPBACK, parts) as client:
        assert (await client.post("/drain")).status_code == 401
        forwarded = KEY | {"X-Forwarded-For": "203.0.113.7"}
        assert (await client.post("/drain", headers=forwarded)).status_code == 404
        assert (await client.get("/readyz")).status_code == 200
