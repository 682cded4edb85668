"""Who has answered, as Twilio's asynchronous answering machine detection tells it, and when.

It knows who it is, and takes the time that finding out would take.
https://www.twilio.com/docs/voice/answering-machine-detection
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from simulator.network.call import MachineDetection
from simulator.network.story import Story
from simulator.phones.behaviour import Behaviour

FAX_MS = 2_000


@dataclass(frozen=True)
class Verdict:
    answered_by: str
    after_ms: int
    """Since the answer."""


async def detect(asked: MachineDetection, who: Behaviour, story: Story) -> Verdict:
    """Waits for what it goes by in the call's story."""
    began_ms = story.now_ms
    if who.taken_for:
        answered_by = who.taken_for
    else:
        try:
            async with asyncio.timeout(asked.timeout_seconds):
                answered_by = await _find_out(asked, who, story)
        except (TimeoutError, LookupError):
            answered_by = "machine_end_other" if _waits_for_end(asked, who) else "unknown"
    return Verdict(answered_by, story.now_ms - began_ms)


def _waits_for_end(asked: MachineDetection, who: Behaviour) -> bool:
    return asked.mode == "DetectMessageEnd" and who.answers_as == "mailbox"


async def _find_out(asked: MachineDetection, who: Behaviour, story: Story) -> str:
    if who.answers_as == "fax":
        await asyncio.sleep(FAX_MS / 1000)
        return "fax"
    try:
        await story.wait_for("caller started speaking", timeout_s=asked.silence_ms / 1000)
    except TimeoutError:
        return "unknown"
    if who.answers_as == "person":
        await story.wait_for("caller stopped speaking", timeout_s=asked.timeout_seconds)
        await asyncio.sleep(asked.speech_end_ms / 1000)
        return "human"
    if not _waits_for_end(asked, who):
        await asyncio.sleep(asked.speech_ms / 1000)
        return "machine_start"
    if any(line.beep for line in who.lines):
        await story.wait_for("beep", timeout_s=asked.timeout_seconds)
        return "machine_end_beep"
    await story.wait_for("caller stopped speaking", count=len(who.lines), timeout_s=asked.timeout_seconds)
    await asyncio.sleep(asked.speech_end_ms / 1000)
    return "machine_end_silence"
