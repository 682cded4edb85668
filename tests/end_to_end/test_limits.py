"""A server that is full says so; nobody hears silence."""

from __future__ import annotations

from pathlib import Path

from simulator.phones.behaviour import Behaviour, Line
from tests.end_to_end.harness import Harness

FRONT_DESK = "+12125550178"


async def test_the_call_that_is_one_too_many_hears_the_numbers_words_and_is_forwarded(
    database_url: str, tmp_path: Path
):
    async with Harness(database_url, tmp_path, MAX_CALLS="1") as callbridge:
        number = await callbridge.number(await callbridge.agent(greeting="Hello."))
        numbers = (await callbridge.api.get("/v1/phone-numbers")).json()["items"]
        wanted = {"when_full": "All our lines are busy.", "forward_to": FRONT_DESK}
        await callbridge.api.patch(f"/v1/phone-numbers/{numbers[0]['id']}", json=wanted)
        callbridge.sim.directory.phones[FRONT_DESK] = Behaviour(
            answers_after_ms=50, lines=(Line(say="Front desk, hello."),), hangs_up="after_lines"
        )
        first = callbridge.dial(number, hangs_up="never")
        await first.wait_for("agent started speaking")
        second = callbridge.dial(number, hangs_up="never")
        row = await callbridge.ended(second)
        assert row["ended_reason"] == "overloaded"
        assert [str(moment.data["text"]) for moment in second.story.all("network says")] == [
            "All our lines are busy."
        ]
        assert "Front desk, hello." in second.heard
        first.hang_up()
        assert (await callbridge.ended(first))["ended_reason"] == "caller_hung_up"
        await callbridge.nothing_is_left()
