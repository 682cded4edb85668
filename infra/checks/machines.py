"""Two machines that share Postgres and nothing else: acting on calls reaches them, and one may be killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import httpx

from infra.checks.acme import postgres
from infra.checks.phone_call import answered_number, check, dial
from infra.checks.programs import listening, running
from infra.checks.upgrade import all_rows, all_up, gaps_ms, none_lost
from simulator.network.call import SimulatedCall
from simulator.simulator import Simulator

URL = "http://127.0.0.1:5080"
KEY = "only-for-this-check"
LAN, PORT = "10.9.0.1", 9100
MACHINES = {"one": "10.9.0.11", "two": "10.9.0.12"}
CALLS = 20
LIMIT_S = 120.0
LOAD_BALANCER = """
{
	admin off
	auto_https off
}
:5080 {
	reverse_proxy 10.9.0.11:8000 10.9.0.12:8000 {
		lb_policy round_robin
		lb_try_duration 12s
		lb_try_interval 100ms
		lb_retry_match {
			method POST
		}
		fail_duration 2s
		health_uri /readyz
		health_interval 1s
		transport http {
			dial_timeout 1s
		}
	}
}
"""


async def main(work: Path, caddy: str) -> None:
    (work / "Caddyfile").write_text(LOAD_BALANCER)
    async with contextlib.AsyncExitStack() as programs:
        start = programs.enter_async_context
        sim = await start(Simulator(auth_token=KEY, openai_api_key=KEY, public_url=URL, host=LAN, port=PORT))
        database = programs.enter_context(postgres())
        servers = {
            name: await start(
                running(serve(name), work / f"{name}.log", settings(work / name, sim, database))
            )
            for name in MACHINES
        }
        headers = {"Authorization": f"Bearer {KEY}"}
        for name, address in MACHINES.items():
            await ready(address)
            print(f"ok     machine {name} is ready", flush=True)
        # Not before: it would look for them once a second, and find one of them a second before the other.
        command = [caddy, "run", "--config", str(work / "Caddyfile"), "--adapter", "caddyfile"]
        await start(running(command, work / "caddy.log", {"HOME": str(work)}))
        await listening(5080)
        api = await start(httpx.AsyncClient(base_url=URL, headers=headers, timeout=30))
        number = await answered_number(api, sim)
        await acting_reaches_each_call(sim, api, number)
        await one_machine_dies(sim, api, number, servers["one"])


def serve(machine: str) -> list[str]:
    return ["ip", "netns", "exec", machine, sys.executable, "-m", "cli.main", "serve"]


def settings(data_dir: Path, sim: Simulator, database_url: str) -> dict[str, str]:
    """The same on both but for DATA_DIR: also their slots have the same names."""
    return {
        "HOST": "0.0.0.0", "DATA_DIR": str(data_dir),  # noqa: S104 (a network of its own)
        "DATABASE_URL": database_url, "PUBLIC_URL": URL, "LOG_FORMAT": "json",
        "ADMIN_API_KEY": KEY, "SECRET_KEY": f"{KEY}-0123456789abcdef",
        "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": sim.openai_base_url,
        "TWILIO_ACCOUNT_SID": sim.account.sid, "TWILIO_AUTH_TOKEN": KEY, "TWILIO_API_BASE_URL": sim.url,
    }  # fmt: skip


async def ready(address: str) -> None:
    async with asyncio.timeout(LIMIT_S), httpx.AsyncClient() as client:
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await client.get(f"http://{address}:8000/readyz")).status_code == 200:
                    return
            await asyncio.sleep(0.2)


async def live_calls(machine: str) -> int:
    async with httpx.AsyncClient() as client:
        page = (await client.get(f"http://{MACHINES[machine]}:8000/metrics")).text
    return round(
        float(
            next(line for line in page.splitlines() if line.startswith("callbridge_live_calls ")).split()[1]
        )
    )


async def acting_reaches_each_call(sim: Simulator, api: httpx.AsyncClient, number: str) -> None:
    """The request comes to whichever machine's turn it is, the call is on either."""
    calls = [dial(sim, number, questions=20) for _ in range(6)]
    await all_up(calls)
    spread = {machine: await live_calls(machine) for machine in MACHINES}
    check(f"both machines have calls: {spread}", min(spread.values()) > 0, True)
    rows = {row["twilio_call_sid"]: row["id"] for row in await all_rows(api)}
    answers = [await api.post(f"/v1/calls/{rows[call.sid]}/hangup") for call in calls]
    check("each is hung up, wherever it is", {answer.is_success for answer in answers}, {True})
    await asyncio.gather(*(call.wait_until_over(LIMIT_S) for call in calls))
    reasons = {row["ended_reason"] for row in await all_rows(api)}
    check("and says who did it", reasons, {"operator_hung_up"})


async def one_machine_dies(
    sim: Simulator, api: httpx.AsyncClient, number: str, server: asyncio.subprocess.Process
) -> None:
    calls = [dial(sim, number, questions=6) for _ in range(CALLS)]
    await all_up(calls)
    on_it = await live_calls("one")
    check(f"{on_it} calls are on the machine that is to die", on_it > 0, True)
    kill_all(server.pid)
    unplug = await asyncio.create_subprocess_exec("ip", "link", "set", "to-one", "down")
    await unplug.wait()
    calls.append(dial(sim, number))
    await none_lost(calls, api, "a machine killed and unplugged", moved=True)
    gaps = sorted(gap for call in calls for gap in gaps_ms(call))
    print_gaps(gaps, calls)


def print_gaps(gaps: list[int], calls: list[SimulatedCall]) -> None:
    print(f"       {len(gaps)} of {len(calls)} calls were cut off, for {' '.join(map(str, gaps))} ms")


def kill_all(pid: int) -> None:
    """A process and all below it, without a word to anybody."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    os.kill(pid, signal.SIGKILL)
    for child in children:
        kill_all(int(child))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
