"""Fifty phones that call again and again for two minutes: nothing fails, is lost or is left. `make soak`."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections import Counter

from bench.practice import Practice
from simulator.model.reply import CallFunction, Say
from simulator.model.script import Asked, Heard, Script, Step
from simulator.network.call import SimulatedCall
from simulator.phones.behaviour import Behaviour, Line

KEPT_CONNECTIONS = 30
"""To Postgres (a pool of at most 20) and to Twilio's REST API, kept for the next call; not one a call."""
GREETING = "Hello, this is Example. How can I help you?"
TALK = (
    ("When do you open?", "We open at nine."),
    ("And on Saturdays?", "From ten to two."),
    ("Thanks, goodbye.", "Goodbye."),
)


def expected() -> list[tuple[str, str]]:
    lines = [("agent", GREETING)]
    for question, answer in TALK:
        lines += [("caller", question), ("agent", answer)]
    return lines


def script() -> Script:
    *answered, (goodbye, farewell) = TALK
    return Script(
        Step(Asked(), Say(GREETING)),
        *(Step(Heard(question), Say(answer)) for question, answer in answered),
        Step(Heard(goodbye), Say(farewell), CallFunction("end_call", {})),
    )


class Soak:
    def __init__(self, practice: Practice, number: str, until: float) -> None:
        self._practice = practice
        self._number = number
        self._until = until
        self.calls: list[SimulatedCall] = []

    async def phone(self, n: int) -> None:
        """One phone that calls again and again."""
        await asyncio.sleep(random.Random(n).uniform(0, 8))
        while time.monotonic() < self._until:
            self._practice.sim.model.script(script())
            lines = tuple(Line(say=question) for question, _ in TALK)
            call = self._practice.sim.network.place_call(
                f"+1212555{1000 + n}", self._number, Behaviour(lines=lines, hangs_up="never")
            )
            self.calls.append(call)
            await call.wait_until_over(90)

    def findings(self, transcripts: dict[str, list[tuple[str, str]]]) -> list[str]:
        wanted = expected()
        found = [f"model: {problem}" for problem in self._practice.sim.model.problems]
        for call in self.calls:
            if call.ended is None or call.ended.data["status"] != "completed":
                found.append(f"a call did not complete: {call.ended}")
            if transcripts.get(call.sid) != wanted:
                found.append(f"a transcript is not what was said: {transcripts.get(call.sid)}")
            found += [f"Twilio warns: {warning}" for stream in call.streams for warning in stream.warnings]
        return found


async def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--phones", type=int, default=50)
    options.add_argument("--seconds", type=float, default=120)
    given = options.parse_args()
    async with Practice(MAX_CALLS="200") as practice:
        number = await practice.number_with_agent(greeting=GREETING)
        before = (practice.sockets(), practice.resident_kb())
        soak = Soak(practice, number, time.monotonic() + given.seconds)
        await asyncio.gather(*(soak.phone(n) for n in range(given.phones)))
        async with asyncio.timeout(20):
            await practice.sim.model.all_closed()
        findings = soak.findings(await practice.transcripts())
        metrics = await practice.metrics()
        live = metrics["callbridge_live_calls"]
        findings += [f"{live:g} calls are left"] if live else []
        responses = practice.sim.model.stats
        print(f"{len(soak.calls)} calls on {given.phones} phones in {given.seconds:g} s.")
        opened, errors = responses.total_sessions, responses.errors_sent
        print(f"Model sessions: {opened}, left open: {responses.open_sessions}, errors: {errors}.")
        print(f"Sockets of the worker: {before[0]} before, {practice.sockets()} after.")
        print(f"Its memory: {before[1]} KB before, {practice.resident_kb()} KB after.")
        if responses.total_sessions != len(soak.calls):
            findings.append("not one model session for each call")
        if practice.sockets() > before[0] + KEPT_CONNECTIONS:
            findings.append("sockets are left")
    for finding, times in Counter(findings).most_common(20):
        print(f"{times} x {finding}")
    print(f"{len(soak.calls) - len(findings)} passed, {len(findings)} failed")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
