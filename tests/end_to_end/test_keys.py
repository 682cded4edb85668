"""Keys on the telephone, both ways: a menu that is navigated, a secret that stays one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import asyncpg
from structlog.testing import capture_logs

from simulator.model.reply import CallFunction, Say
from simulator.model.script import Asked, Heard, Script, Step
from simulator.phones.behaviour import Behaviour, Line
from tests.end_to_end.harness import CALLER, Harness
from tests.integration.notify.receiver import Receiver

MENU = "+12125550124"
PIN = "4711"


def written_to(callbridge: Harness) -> list[str]:
    """What the model was told in words."""
    [session] = callbridge.sim.model.stats.sessions
    items = [event["item"] for event in session.received if event["type"] == "conversation.item.create"]
    return [item["content"][0]["text"] for item in items if item.get("role") == "user"]


async def test_a_menu_is_navigated_by_tones(callbridge: Harness):
    """The menu talks on while keys are pressed; it goes on for the right ones only."""
    callbridge.sim.directory.phones[MENU] = Behaviour(
        answers_after_ms=100,
        lines=(
            Line(say="For sales, press four two.", delay_ms=300),
            Line(say="This is sales, good day.", after_keys="42#"),
        ),
        hangs_up="never",
    )
    callbridge.sim.model.script(
        Script(
            Step(Heard("For sales, press four two."), CallFunction("send_dtmf", {"digits": "4w2#"})),
            Step(
                Heard("This is sales, good day."), Say("Good day, I have an order."), CallFunction("end_call")
            ),
        )
    )
    tools = [{"type": "end_call"}, {"type": "send_dtmf"}]
    number = await callbridge.number(await callbridge.agent(tools=tools))
    agent_id = await callbridge.agent(tools=tools)
    wanted = {"agent_id": agent_id, "to": MENU, "from": number}
    placed = (await callbridge.api.post("/v1/calls", json=wanted)).json()
    call = callbridge.sim.network.calls[placed["twilio_call_sid"]]
    row = await callbridge.ended(call)
    assert callbridge.sim.model.problems == []
    assert [moment.data["key"] for moment in call.story.all("key heard")] == ["4", "2", "#"]
    assert call.heard[-1] == "Good day, I have an order."
    assert row["ended_reason"] == "agent_hung_up"
    events = {event["type"]: event["data"] for event in await callbridge.events(row["id"])}
    assert events["tool.returned"]["ok"] is True
    assert events["tool.returned"]["duration_ms"] >= 1000, "tones, pauses and the wait were heard first"
    roles = [role for role, _ in await callbridge.transcript(row["id"])]
    assert roles == ["caller", "tool", "caller", "agent"]
    await callbridge.nothing_is_left()


async def test_what_the_caller_enters_is_answered(callbridge: Harness):
    callbridge.sim.model.script(
        Script(Step(Asked(), Say("Order forty-two, one moment.")), Step(Asked(), Say("Goodbye then.")))
    )
    number = await callbridge.number(await callbridge.agent())
    call = callbridge.dial(number, Line(dtmf="42#", delay_ms=300), Line(dtmf="9"))
    row = await callbridge.ended(call)
    assert callbridge.sim.model.problems == []
    assert call.heard == ["Order forty-two, one moment.", "Goodbye then."]
    assert written_to(callbridge) == ["The caller pressed 4 2 #", "The caller pressed 9"]
    assert await callbridge.transcript(row["id"]) == [
        ("caller", "[pressed 4 2 #]"),
        ("agent", "Order forty-two, one moment."),
        ("caller", "[pressed 9]"),
        ("agent", "Goodbye then."),
    ]


async def everything_stored(database_url: str) -> str:
    """All that is told of calls, as text."""
    connection = await asyncpg.connect(database_url)
    tables = ("calls", "call_events", "transcript_lines", "call_commands", "webhook_deliveries")
    try:
        rows = [row for table in tables for row in await connection.fetch(f"select * from {table}")]
    finally:
        await connection.close()
    return json.dumps([dict(row) for row in rows], default=str)


async def test_a_secret_reaches_the_model_and_nobody_else(database_url: str, tmp_path: Path):
    receiver = Receiver()
    await receiver.start()
    async with Harness(database_url, tmp_path, OUTGOING_ALLOWED_HOSTS="localhost") as callbridge:
        wanted: dict[str, Any] = {"url": f"{receiver.url}/hook", "events": ["*"]}
        receiver.secrets["/hook"] = (await callbridge.api.post("/v1/webhooks", json=wanted)).json()["secret"]
        callbridge.sim.model.script(Script(Step(Asked(), Say("Thank you, you are known."))))
        agent_id = await callbridge.agent(keys={"secret": True, "terminator": "#"})
        number = await callbridge.number(agent_id)
        with capture_logs() as logs:
            call = callbridge.dial(number, Line(dtmf=f"{PIN}#", delay_ms=300))
            row = await callbridge.ended(call)
            happened = await callbridge.events(row["id"])
            await receiver.until(lambda: len(receiver.taken) == len(happened))
        assert call.heard == ["Thank you, you are known."]
        assert written_to(callbridge) == ["The caller pressed 4 7 1 1 #"]
        assert await callbridge.transcript(row["id"]) == [
            ("caller", "[pressed • • • • •]"),
            ("agent", "Thank you, you are known."),
        ]
        keys = [event["data"] for event in happened if event["type"] == "dtmf.received"]
        assert keys == [{"digit": "•"}] * 5
        sent = [event["data"] for [event] in receiver.taken.values() if event["type"] == "dtmf.received"]
        assert sent == keys
        stored = await everything_stored(database_url)
        assert CALLER in stored, "the search finds what is there"
        for place in (stored, str(logs), str(receiver.taken)):
            assert " ".join(PIN) not in place and f'"{PIN}"' not in place
    await receiver.stop()
