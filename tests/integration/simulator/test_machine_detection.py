"""Answering machine detection beside the call, and phones that are mailboxes and faxes."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.audio import watermark
from simulator.audio.voice import tones
from simulator.phones.behaviour import Behaviour, Line, mailbox
from tests.integration.simulator.test_media_stream_call import NUMBER, practice
from tests.integration.simulator.test_twilio_rest import CALLEE, Rest, official_client, pytestmark

__all__ = ["pytestmark"]

GREETING = "You have reached Ada. Please leave a message after the tone."


async def detected(behaviour: Behaviour, mode: str, **more: Any) -> dict[str, str]:
    """What the callback was told of this phone."""
    async with practice() as (sim, bridge), official_client(sim) as client:
        bridge.connects()
        sim.directory.phones[CALLEE] = behaviour
        rest = Rest(sim, bridge, client)
        asked = {"machine_detection": mode, "async_amd": "true"} | more
        created = await rest.dial(async_amd_status_callback=f"{bridge.url}/amd", **asked)
        call = sim.network.calls[created.sid]
        await call.wait_for("detected")
        call.hang_up()
        await call.wait_until_over()
        forms = [form for path, form in bridge.forms if path == "/amd"]
        assert len(forms) == 1
        fetched = await client.calls(created.sid).fetch_async()
        assert fetched.answered_by == forms[0]["AnsweredBy"]
        return forms[0]


@pytest.mark.parametrize(
    ("behaviour", "mode", "answered_by"),
    [
        (Behaviour(answers_after_ms=0, lines=(Line(say="Hello?", delay_ms=100),)), "Enable", "human"),
        (mailbox(GREETING), "Enable", "machine_start"),
        (mailbox(GREETING), "DetectMessageEnd", "machine_end_beep"),
        (mailbox("Leave a message.", beeps=False), "DetectMessageEnd", "machine_end_silence"),
        (Behaviour(answers_after_ms=0, answers_as="fax", hangs_up="never"), "Enable", "fax"),
        (Behaviour(answers_after_ms=0, taken_for="human", hangs_up="never"), "Enable", "human"),
    ],
)
async def test_the_callback_says_who_answered(behaviour: Behaviour, mode: str, answered_by: str) -> None:
    told = await detected(behaviour, mode)
    assert told["AnsweredBy"] == answered_by
    assert int(told["MachineDetectionDuration"]) >= 0


async def test_who_says_nothing_is_unknown() -> None:
    told = await detected(
        Behaviour(answers_after_ms=0, hangs_up="never"), "Enable", machine_detection_silence_timeout=2000
    )
    assert told["AnsweredBy"] == "unknown"


async def test_a_mailbox_records_what_is_said_after_its_beep_and_hangs_up() -> None:
    async with practice() as (sim, bridge):
        bridge.connects()
        call = sim.network.place_call(CALLEE, NUMBER, mailbox("Leave a message."))
        await call.wait_for("stream started")
        await call.wait_for("beep")
        await bridge.say(watermark.embed(tones("Your order is ready."), "Your order is ready."))
        ended = await call.wait_until_over()
    assert ended.data["by"] == "caller"
    assert call.recorded == "Your order is ready."
