from __future__ import annotations

import asyncio

from database import calls
from tests.end_to_end.harness import Harness


async def test_who_follows_a_call_does_not_hold_up_a_drain(callbridge: Harness) -> None:
    """Calls are waited for; a page that somebody has left open is not."""
    async with callbridge.parts.database.session.begin() as session:
        call = await calls.create_outbound(
            session,
            agent_id=await callbridge.agent(),
            agent_version=1,
            phone_number_id=None,
            from_="+12125550100",
            to="+12125550121",
            variables={},
            metadata={},
        )
    headers = {"Accept": "text/event-stream"}
    async with callbridge.api.stream("GET", f"/v1/calls/{call.id}/events", headers=headers) as events:
        lines = events.aiter_lines()
        assert (await anext(lines)).startswith("id: ")
        await callbridge.parts.drain()
        async with asyncio.timeout(1):
            assert [line async for line in lines if line.startswith("event: ")] == ["event: call.created"]
