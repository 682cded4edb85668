"""One server takes the place of another with calls on: none is lost, and each one's gap is printed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from infra.checks.acme import postgres
from infra.checks.phone_call import answered_number, check, dial
from infra.checks.programs import listening, running
from simulator.network.call import SimulatedCall
from simulator.simulator import Simulator

URL = "http://127.0.0.1:5080"
KEY = "only-for-this-check"
CALLS = 50
LIMIT_S = 120.0
DRAIN_LIMIT_S = 2


async def main(work: Path, caddy: str) -> None:
    async with contextlib.AsyncExitStack() as programs:
        start = programs.enter_async_context
        sim = await start(Simulator(auth_token=KEY, openai_api_key=KEY, public_url=URL))
        database = programs.enter_context(postgres())
        check_of = Upgrades(work, settings(work, sim, database))
        programs.push_async_callback(check_of.stop)
        command = [caddy, "run", "--config", "Caddyfile", "--adapter", "caddyfile"]
        await start(running(command, work / "caddy.log", caddy_environ(work)))
        await check_of.upgrade("starting server a")
        await listening(5080)
        headers = {"Authorization": f"Bearer {KEY}"}
        api = await start(httpx.AsyncClient(base_url=URL, headers=headers, timeout=30))
        number = await answered_number(api, sim)
        await story(check_of, sim, api, number)


def caddy_environ(work: Path) -> dict[str, str]:
    return {
        "SITE_ADDRESS": URL,
        "CADDY_GLOBAL": f"{work}/*.caddy",
        "CADDY_ADMIN": "127.0.0.1:5081",
        "HOME": str(work),
        "XDG_DATA_HOME": str(work),
        "XDG_CONFIG_HOME": str(work),
    }


def settings(work: Path, sim: Simulator, database_url: str) -> dict[str, str]:
    return {
        "CHECK_WORK": str(work), "SERVERS": "infra/checks/upgrade_servers.sh",
        "DRAIN_LIMIT": str(DRAIN_LIMIT_S),
        "DATABASE_URL": database_url, "PUBLIC_URL": URL, "LOG_FORMAT": "json", "DRAIN_SECONDS": "0",
        "ADMIN_API_KEY": KEY, "SECRET_KEY": f"{KEY}-0123456789abcdef",
        "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": sim.openai_base_url,
        "TWILIO_ACCOUNT_SID": sim.account.sid, "TWILIO_AUTH_TOKEN": KEY, "TWILIO_API_BASE_URL": sim.url,
    }  # fmt: skip


class Upgrades:
    """infra/upgrade.sh, run again and again."""

    def __init__(self, work: Path, environ: dict[str, str]) -> None:
        self._work = work
        self._environ = environ

    async def upgrade(self, wanted: str, *, code: int = 0, **environ: str) -> None:
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            "infra/upgrade.sh",
            env=os.environ | self._environ | environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        said = output.decode()
        if process.returncode != code or wanted not in said:
            sys.exit(f"wrong  infra/upgrade.sh ended with {process.returncode}, not {code}:\n{said}")
        print(f"ok     infra/upgrade.sh: {wanted} ({time.monotonic() - began:.1f} s)", flush=True)

    async def stop(self) -> None:
        for path in self._work.glob("*.pid"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(path.read_text()), 15)


async def story(upgrades: Upgrades, sim: Simulator, api: httpx.AsyncClient, number: str) -> None:
    few = [dial(sim, number, questions=3) for _ in range(5)]
    await all_up(few)
    broken = {"OPENAI_API_KEY": ""}
    await upgrades.upgrade("Server a goes on as before.", code=1, **broken)
    check("the old server takes calls as before", (await api.get("/readyz")).json()["status"], "ready")
    few.append(dial(sim, number))
    await none_lost(few, api, "a failed upgrade")

    few = [dial(sim, number, questions=1) for _ in range(5)]
    await all_up(few)
    swap = asyncio.create_task(
        upgrades.upgrade("server b has taken the place of server a", DRAIN_LIMIT=str(LIMIT_S))
    )
    while not swap.done():
        few.append(dial(sim, number))
        await asyncio.wait([swap], timeout=1)
    await swap
    await none_lost(few, api, "an upgrade that lets calls finish, with new ones coming")

    many = [dial(sim, number, questions=6) for _ in range(CALLS)]
    await all_up(many)
    await upgrades.upgrade("server a has taken the place of server b")
    check("all calls are still up", sum(call.ended is None for call in many), CALLS)
    await none_lost(many, api, f"an upgrade in the middle of {CALLS} calls", moved=True)
    gaps = sorted(gap for call in many for gap in gaps_ms(call))
    check("each was moved once", len(gaps), CALLS)
    print(
        f"       cut off for {gaps[0]} to {gaps[-1]} ms, half of them for {gaps[len(gaps) // 2]} ms at most"
    )
    print(f"       each: {' '.join(map(str, gaps))}")


async def all_up(calls: list[SimulatedCall]) -> None:
    await asyncio.gather(*(call.wait_for("agent started speaking", timeout_s=LIMIT_S) for call in calls))


def gaps_ms(call: SimulatedCall) -> list[int]:
    """From the end of a media stream to the beginning of the next: neither hears the other."""
    begun, ended = call.story.all("stream started")[1:], call.story.all("stream ended")
    return [after.at_ms - before.at_ms for before, after in zip(ended, begun, strict=False)]


async def none_lost(
    calls: list[SimulatedCall], api: httpx.AsyncClient, during: str, *, moved: bool = False
) -> None:
    """Each ends as its caller wanted, and has been answered as often as it asked. `moved`: but once, where
    the caller spoke while the media stream was on its way."""
    await asyncio.gather(*(call.wait_until_over(LIMIT_S) for call in calls))
    rows = {row["twilio_call_sid"]: row for row in await all_rows(api)}
    reasons = [rows[call.sid]["ended_reason"] for call in calls]
    check(f"{during}: of {len(calls)} calls none is lost", [r for r in reasons if r != "caller_hung_up"], [])
    missing = [len(call.behaviour.lines) + 1 - len(call.heard) for call in calls]
    check("each question got its answer", [number for number in missing if number > int(moved)], [])
    if moved:
        again = sum(number > 0 for number in missing)
        print(f"       {again} of {len(calls)} callers had to ask again: they spoke in the gap")


async def all_rows(api: httpx.AsyncClient) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        query = {"limit": "100"} | ({"cursor": cursor} if cursor else {})
        page = (await api.get("/v1/calls", params=query)).raise_for_status().json()
        rows += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return rows


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
