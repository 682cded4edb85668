"""A recording of the operator's is what the caller hears when the model keeps them waiting."""

from __future__ import annotations

from pathlib import Path

from lines.wav import to_wav
from simulator.audio import watermark
from simulator.audio.voice import tones
from simulator.model.reply import Say
from simulator.model.script import Asked, Script, Step
from simulator.model.settings import ModelTiming
from tests.end_to_end.harness import Harness

WORDS = "Un momento, por favor."
SLOW = ModelTiming(connect_ms=20, first_audio_ms=4_000, transcription_ms=60)


async def test_the_callers_own_language_fills_the_waiting(database_url: str, tmp_path: Path):
    recording = to_wav(watermark.embed(tones(WORDS), WORDS))
    async with Harness(database_url, tmp_path, model_timing=SLOW) as callbridge:
        callbridge.sim.model.script(Script(Step(Asked("Buenos días."), Say("Buenos días."))))
        answer = await callbridge.api.put(
            "/v1/lines/es/filler",
            params={"text": WORDS},
            content=recording,
            headers={"Content-Type": "audio/wav"},
        )
        assert answer.status_code == 200, answer.text
        agent_id = await callbridge.agent(language="es-MX", greeting="Buenos días.")
        call = callbridge.dial(await callbridge.number(agent_id), hangs_up="never")
        await call.wait_for("agent stopped speaking", count=2)
        call.hang_up()
        row = await callbridge.ended(call)
        assert call.heard == [WORDS, "Buenos días."]
        assert await callbridge.transcript(row["id"]) == [("agent", WORDS), ("agent", "Buenos días.")]
