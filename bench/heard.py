"""How well Callbridge knows what the caller heard of an interrupted answer: `make measure-heard`.

Calls are interrupted at many moments of a long answer. What the model is told by
`conversation.item.truncate` is compared with what the simulated Twilio really played, which only it knows.
Audio in the phone's own jitter buffer is heard beyond that.
"""

from __future__ import annotations

import asyncio
import random
import statistics

from bench.practice import Practice
from simulator.model.reply import Say
from simulator.model.script import Asked, Heard, Script, Step
from simulator.model.settings import ModelTiming
from simulator.phones.behaviour import Behaviour, Line
from simulator.timing import Timing

CALLS = 24
DELAYS_MS = (0, 60, 150)
JITTER_MS = 30
ANSWER = (
    "We are open from nine to five on weekdays, from ten to two on Saturdays, and we are closed on Sundays "
    "and on public holidays, when you can still leave a message after the tone, and we will call you back."
)


async def errors_at(practice: Practice, number: str, one_way_ms: int) -> list[float]:
    """Milliseconds by which each truncation missed; negative: less than was heard."""
    practice.sim.equipment.timing = Timing(
        webhook_ms=5, stream_setup_ms=50, one_way_ms=one_way_ms, jitter_ms=JITTER_MS, jitter_buffer_ms=60
    )
    practice.sim.model.forget()
    chance = random.Random(one_way_ms)
    calls = [
        practice.sim.network.place_call("+12125550150", number, interrupting(chance.randint(600, 6000)))
        for _ in range(CALLS)
    ]
    for n in range(CALLS):
        answer, reply = Say(f"Answer {n}. {ANSWER}"), Say("Yes?")
        practice.sim.model.script(Script(Step(Asked(), answer), Step(Heard("Wait, one question."), reply)))
    await asyncio.gather(*(call.wait_until_over(60) for call in calls))
    await practice.sim.model.all_closed()
    if practice.sim.model.problems:
        raise SystemExit(f"The conversations went wrong: {practice.sim.model.problems}")
    sessions = practice.sim.model.stats.sessions
    told = {session.said[0]: session.truncations[0].audio_end_ms for session in sessions}
    played = {call.heard[0]: call.streams[0].playout.played[0].length / 8 for call in calls}
    return [told[answer] - heard_ms for answer, heard_ms in played.items()]


def interrupting(after_ms: int) -> Behaviour:
    return Behaviour(lines=(Line(say="Wait, one question.", interrupt_after_ms=after_ms),))


async def main() -> None:
    print("What the caller heard of an interrupted answer: told to the model, against what was played.")
    print(f"{CALLS} calls each; one-way delay as given, plus 0 to {JITTER_MS} ms of jitter. Milliseconds.\n")
    print("| one-way delay | median error | worst error | told more than was played |")
    print("| ---: | ---: | ---: | ---: |")
    timing = ModelTiming(connect_ms=50, first_audio_ms=100)
    async with Practice(model_timing=timing, MAX_CALLS="100") as practice:
        number = await practice.number_with_agent(greeting="Tell the opening hours.")
        for delay_ms in DELAYS_MS:
            errors = await errors_at(practice, number, delay_ms)
            sizes = [abs(error) for error in errors]
            more = sum(error > 0 for error in errors)
            print(
                f"| {delay_ms} | {statistics.median(sizes):.0f} | {max(sizes):.0f} | {more} of {CALLS} |",
                flush=True,
            )


if __name__ == "__main__":
    asyncio.run(main())
