"""A simulated call through a server that is reached by its public address, as Twilio and operators do."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import httpx

from simulator.network.call import SimulatedCall
from simulator.phones.behaviour import Behaviour, Line
from simulator.simulator import Simulator

CALLER = "+12125550150"
GREETING = "Hello, this is Example."
PROMPT = "You answer the phone. We are open from nine to five."
QUESTION = "When are you open?"
LIMIT_S = 60.0


def check(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        print(f"wrong  {what}: {found!r}, not {wanted!r}", flush=True)
        sys.exit(1)
    print(f"ok     {what}", flush=True)


async def answered_number(api: httpx.AsyncClient, sim: Simulator, index: int = 0) -> str:
    """The number of the practice account with that index, answered by a new agent."""
    fields = {"name": "Reception", "prompt": PROMPT, "greeting": GREETING}
    agent = await api.post("/v1/agents", json=fields)
    check("an agent is made", agent.status_code, 201)
    number = list(sim.account.numbers.values())[index].phone_number
    added = await api.post("/v1/phone-numbers", json={"number": number, "agent_id": agent.json()["id"]})
    check("a number is answered", added.status_code, 201)
    return number


def dial(sim: Simulator, number: str, questions: int = 1) -> SimulatedCall:
    lines = tuple(Line(say=QUESTION) for _ in range(questions))
    return sim.network.place_call(CALLER, number, Behaviour(lines=lines))


async def transcript(api: httpx.AsyncClient, call: SimulatedCall) -> list[str]:
    """Who spoke, in order, once the call is over and written down."""
    await call.wait_until_over(LIMIT_S)
    async with asyncio.timeout(LIMIT_S):
        while True:
            rows: list[dict[str, Any]] = (await api.get("/v1/calls")).json()["items"]
            row = next((one for one in rows if one["twilio_call_sid"] == call.sid), None)
            if row is not None and row["ended_at"]:
                break
            await asyncio.sleep(0.2)
    print(f"       the call ended: {row['ended_reason']}")
    items: list[dict[str, Any]] = (await api.get(f"/v1/calls/{row['id']}/transcript")).json()["items"]
    return [item["role"] for item in items]
