"""The operator's own system hears of a call while it happens."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from simulator.model.reply import Say
from simulator.model.script import Asked, Heard, Script, Step
from tests.end_to_end.harness import Harness
from tests.integration.notify.receiver import Receiver


@pytest.fixture
async def receiver() -> AsyncGenerator[Receiver]:
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.stop()


async def test_all_that_happens_on_a_call_arrives_at_the_operators_address(
    database_url: str, tmp_path: Path, receiver: Receiver
):
    async with Harness(database_url, tmp_path, OUTGOING_ALLOWED_HOSTS="localhost") as callbridge:
        wanted = {"url": f"{receiver.url}/hook", "events": ["*"]}
        webhook = (await callbridge.api.post("/v1/webhooks", json=wanted)).json()
        receiver.secrets["/hook"] = webhook["secret"]
        callbridge.sim.model.script(
            Script(
                Step(Asked("Hello, this is Example."), Say("Hello, this is Example.")),
                Step(Heard("When do you open?"), Say("We open at nine.")),
            )
        )
        number = await callbridge.number(await callbridge.agent(greeting="Hello, this is Example."))
        call = callbridge.dial(number, "When do you open?")
        row = await callbridge.ended(call)
        assert call.heard == ["Hello, this is Example.", "We open at nine."]
        happened = await callbridge.events(row["id"])
        await receiver.until(lambda: len(receiver.taken) == len(happened))

        sent = sorted((event for [event] in receiver.taken.values()), key=lambda event: int(event["id"]))
        assert [(event["id"], event["type"], event["data"]) for event in sent] == [
            (event["id"], event["type"], event["data"]) for event in happened
        ]
        said = [event["data"]["text"] for event in sent if event["type"] == "transcript.line"]
        assert said == ["Hello, this is Example.", "When do you open?", "We open at nine."]
        assert (sent[0]["call"]["status"], sent[-1]["call"]["status"]) == ("ringing", "completed")
        assert sent[-1]["call"]["ended_reason"] == row["ended_reason"]
