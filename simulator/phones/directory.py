"""Who has which phone: numbers and what the people behind them do."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Sequence

from simulator.audio import watermark
from simulator.audio.recording import from_wav
from simulator.audio.voice import BEEP, Voice
from simulator.phones.behaviour import DEFAULT, BadBehaviour, Behaviour, Line, mailbox
from simulator.phones.phone import PreparedLine

SAMPLE_PHONES = {
    "+12125550190": Behaviour(pick_up="busy"),
    "+12125550191": Behaviour(pick_up="never_answers"),
    "+12125550192": Behaviour(pick_up="unreachable"),
    "+12125550193": mailbox("You have reached the mailbox of Ada. Please leave a message after the tone."),
    "+12125550194": Behaviour(answers_as="fax", lines=(Line(beep=True, delay_ms=500),), patience_ms=15_000),
}


class Directory:
    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self.phones: dict[str, Behaviour] = dict(SAMPLE_PHONES)

    def behaviour_of(self, number: str) -> Behaviour:
        return self.phones.get(number, DEFAULT)

    async def prepare(self, lines: Sequence[Line]) -> list[PreparedLine]:
        """The lines with their sound. Raises BadBehaviour, BadWav."""
        return [PreparedLine(line, await self._sound_of(line)) for line in lines]

    async def _sound_of(self, line: Line) -> bytes:
        if line.audio or line.dtmf:
            return line.audio
        if line.beep:
            return BEEP
        if line.wav:
            try:
                return from_wav(base64.b64decode(line.wav, validate=True))
            except binascii.Error:
                raise BadBehaviour("wav must be the base64 of a WAV file.") from None
        if self._voice.kind == "tones":
            return watermark.embed(self._voice.speak(line.say, "caller"), line.say)
        return watermark.embed(await asyncio.to_thread(self._voice.speak, line.say, "caller"), line.say)
