"""Processes are killed and replaced, and Postgres goes away, while real workers have calls."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncGenerator

import pytest

from bench.chaos import small_disk
from bench.chaos.caller import Caller, Recorded, line_number
from bench.chaos.plan import PlannedCall
from bench.chaos.stage import WORKERS, Stage

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="finds the processes in /proc and fills a disk in memory"
)


@pytest.fixture(scope="module")
async def stage() -> AsyncGenerator[Stage]:
    async with Stage() as stage:
        for slot in range(WORKERS):
            await stage.server.until_ready(stage.http, slot)
        yield stage


RESTART_MS = 6_000
"""A caller who pauses so long says nothing while no process is there to hear it."""


async def two_lines(
    stage: Stage, number: int, *, tool: bool = False, silence_ms: int = 1_500
) -> tuple[Caller, asyncio.Task[Recorded]]:
    """A call whose caller has just begun to say the first of two lines."""
    caller = Caller(stage, PlannedCall(number, (tool, False), (None, None)), silence_ms=silence_ms)
    call = asyncio.create_task(caller.run())
    await caller.until("caller started speaking")
    return caller, call


async def kept(stage: Stage, recorded: Recorded, *, at_least: int = 0) -> tuple[str, list[tuple[str, str]]]:
    """How the call ended, and its transcript: what was kept on the disk is written when its turn comes."""
    async with asyncio.timeout(20):
        while True:
            page = await stage.api("GET", "calls?limit=100")
            [row] = [row for row in page["items"] if row["twilio_call_sid"] == recorded.sid]
            lines = await transcript(stage, row["id"])
            if row["ended_reason"] is not None and row["status"] == "completed" and len(lines) >= at_least:
                return row["ended_reason"], lines
            await asyncio.sleep(0.2)


async def transcript(stage: Stage, call_id: str) -> list[tuple[str, str]]:
    lines = await stage.api("GET", f"calls/{call_id}/transcript")
    return [(line["role"], line["text"]) for line in lines["items"]]


async def survived(stage: Stage, recorded: Recorded) -> list[tuple[str, str]]:
    """Its caller hung up, with both lines answered and each in the transcript once."""
    reason, lines = await kept(stage, recorded, at_least=5)
    assert (reason, recorded.all("ended")[0]["by"]) == ("caller_hung_up", "caller")
    said = [text for role, text in lines if role == "caller"]
    numbers = [line_number(recorded.planned.number, line) for line in range(2)]
    assert [f"Line {number}," in text for number, text in zip(numbers, said, strict=True)] == [True, True]
    return lines


async def test_a_call_outlives_the_processes_that_have_it(stage: Stage):
    """All of them at once: nobody is left to ask, until the supervisor has started others."""
    caller, call = await two_lines(stage, 1, silence_ms=RESTART_MS)
    await caller.until("agent stopped speaking", count=2)
    for slot in range(WORKERS):
        assert stage.server.signal(slot, signal.SIGKILL)
    recorded = await call
    reason, lines = await kept(stage, recorded)
    assert (reason, recorded.all("ended")[0]["by"]) == ("caller_hung_up", "caller")
    assert [f"Line {line_number(1, 0)}," in text for role, text in lines if role == "caller"][:1] == [True]
    assert len(recorded.all("stream started")) == 2


async def test_a_tool_that_ran_as_its_process_was_killed_is_not_run_again(stage: Stage):
    _, call = await two_lines(stage, 2, tool=True, silence_ms=RESTART_MS)
    order = line_number(2, 0)
    async with asyncio.timeout(20):
        await stage.tool.asked(order)
    for slot in range(WORKERS):
        stage.server.signal(slot, signal.SIGKILL)
    await call
    assert stage.tool.runs[order] == 1
    for slot in range(WORKERS):
        await stage.server.until_ready(stage.http, slot)


async def test_a_worker_that_is_told_to_stop_gives_its_calls_away(stage: Stage):
    caller, call = await two_lines(stage, 3)
    await caller.until("agent stopped speaking", count=2)
    for slot in range(WORKERS):
        assert stage.server.signal(slot, signal.SIGTERM)
        await stage.server.until_restarted(stage.http, slot)
    recorded = await call
    await survived(stage, recorded)
    assert all(ended["by"] == "network" for ended in recorded.all("stream ended")), "by new TwiML, not broken"


async def test_a_server_that_is_replaced_gives_its_calls_to_the_new_one(stage: Stage):
    caller, call = await two_lines(stage, 4)
    await caller.until("agent stopped speaking", count=2)
    await stage.deploy(lambda: None)
    recorded = await call
    await survived(stage, recorded)


@pytest.mark.parametrize("full", [False, True], ids=["disk", "disk full"])
async def test_a_call_does_not_notice_that_postgres_is_away(stage: Stage, full: bool):
    disk = stage.small_disk
    if full and disk is None:
        pytest.skip("this system does not let us mount a small disk")
    caller, call = await two_lines(stage, 6 if full else 5)
    if full and disk is not None:
        small_disk.fill(disk)
    await stage.stop_postgres()
    await caller.until("agent stopped speaking", count=3)
    await stage.start_postgres()
    if full and disk is not None:
        small_disk.empty(disk)
    recorded = await call
    assert len(recorded.all("stream started")) == 1
    assert len(await survived(stage, recorded)) == 5
